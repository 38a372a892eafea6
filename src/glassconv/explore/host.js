// What stands in for a notebook's kernel on a page: anywidget's model, of one value that never
// changes. On a page that glassconv serves, what the explorer sends is answered by Python.
const report = JSON.parse(document.getElementById("report").textContent);
const remote = document.body.hasAttribute("data-remote");
const listeners = new Set();

async function ask(content) {
  try {
    const response = await fetch("message", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(content),
    });
    return await response.json();
  } catch {
    const error = "Python did not answer: is “glassconv explore --serve” still running?";
    return { type: "error", id: content.id, error };
  }
}

const model = {
  get: (name) => ({ report, remote, page: true })[name], // page: the address is the explorer's
  set() {},
  save_changes() {},
  on(event, listener) {
    if (event === "msg:custom") listeners.add(listener);
  },
  off(event, listener) {
    if (listener) listeners.delete(listener);
    else listeners.clear();
  },
  async send(content) {
    if (!remote) return;
    const reply = await ask(content);
    for (const listener of listeners) listener(reply, []);
  },
};

explorer.render({ model, el: document.getElementById("explorer") });
