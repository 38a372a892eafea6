// Whether the reader prefers the dark scheme: the page that frames this one says so, or else the browser.

const DARK_QUERY = "(prefers-color-scheme: dark)";
let framing: "dark" | "light" | null = null;

export function prefersDark(): boolean {
  return framing ? framing === "dark" : matchMedia(DARK_QUERY).matches;
}

/** Calls a listener when that may have changed; returns a function that stops it. */
export function onScheme(listener: () => void): () => void {
  const browser = matchMedia(DARK_QUERY);
  const onMessage = ({ source, data }: MessageEvent<{ type?: unknown; theme?: unknown } | null>): void => {
    if (parent === window || source !== parent || data?.type !== "glassconv-theme") return;
    framing = data.theme === "dark" || data.theme === "light" ? data.theme : null;
    listener();
  };
  browser.addEventListener("change", listener);
  addEventListener("message", onMessage);
  return () => {
    browser.removeEventListener("change", listener);
    removeEventListener("message", onMessage);
  };
}
