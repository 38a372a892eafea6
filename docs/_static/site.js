// What scrolls can be reached by the keyboard; a page opened from a file asks for no other file.

if (window.DOCUMENTATION_OPTIONS && location.protocol === "file:") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false; // which fetches each page that it found
}

// What the theme's HTML leaves out for screen readers: the level of a caption, the names of the two
// columns beside a page, and that a signature of several lines is no list of definitions.
addEventListener("DOMContentLoaded", () => {
  for (const caption of document.querySelectorAll("[role=heading]:not([aria-level])")) caption.ariaLevel = "2";
  for (const [column, name] of [[".sidebar-drawer", "Pages"], [".toc-drawer", "On this page"]]) {
    const found = document.querySelector(column);
    if (found) found.ariaLabel = name;
  }
  for (const list of document.querySelectorAll("dt.sig dl")) {
    const lines = document.createElement("div");
    lines.className = "signature";
    for (const part of list.children) {
      const line = document.createElement("div");
      line.append(...part.childNodes);
      lines.append(line);
    }
    list.replaceWith(lines);
  }
});

// A framed explorer follows the theme that the site's reader chose.
function tellTheme(frame) {
  frame.contentWindow.postMessage({ type: "glassconv-theme", theme: document.body.dataset.theme }, "*");
}

addEventListener("DOMContentLoaded", () => {
  const frames = document.querySelectorAll("iframe.explorer");
  for (const frame of frames) frame.addEventListener("load", () => tellTheme(frame));
  const toggled = new MutationObserver(() => frames.forEach(tellTheme));
  toggled.observe(document.body, { attributeFilter: ["data-theme"] });
});

function letScroll() {
  for (const box of document.querySelectorAll("article pre, article .formula, article .table-wrapper, .sidebar-scroll, .toc-scroll")) {
    if (box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}

addEventListener("load", letScroll);
addEventListener("resize", letScroll);
