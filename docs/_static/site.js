// What scrolls can be reached by the keyboard; a page opened from a file asks for no other file.

if (window.DOCUMENTATION_OPTIONS && location.protocol === "file:") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false; // which fetches each page that it found
}

// A caption of the navigation is a heading whose level the theme leaves out.
addEventListener("DOMContentLoaded", () => {
  for (const caption of document.querySelectorAll("[role=heading]:not([aria-level])")) caption.ariaLevel = "2";
});

function letScroll() {
  for (const box of document.querySelectorAll("article pre, article .formula, article .table-wrapper, .sidebar-scroll, .toc-scroll")) {
    if (box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}

addEventListener("load", letScroll);
addEventListener("resize", letScroll);
