// A stand-in until the explorer's own bundle is here.
function render({ model, el }) {
  const report = model.get("report");
  const style = document.createElement("style");
  style.textContent = ".glassconv { font: 14px system-ui; padding: 1rem }";
  const root = document.createElement("div");
  root.className = "glassconv";
  root.textContent = report.problem + (report.output ? " output " + report.output.shape : "");
  const said = document.createElement("p");
  const listen = (message) => { said.textContent = JSON.stringify(message).slice(0, 200); };
  model.on("msg:custom", listen);
  if (model.get("remote")) {
    const { problem, input, weight, bias } = report;
    model.send({ type: "convolve", id: 1, problem, input, weight, bias });
  }
  el.append(style, root, said);
  return () => model.off("msg:custom", listen);
}
var standIn = { render };
export {
  standIn as default
};
