// Load Mermaid from this site when a page has a diagram. The theme uses a global `mermaid`, and without one would
// load it from a CDN.
const { src } = document.currentScript;
let options;
let loading;

const load = () =>
  (loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL("mermaid.tiny.js", src).href;
    // The script replaces the global.
    script.onload = () => {
      // In their own size, which scrolls, since a wide diagram cannot be read at the width of a phone.
      const size = { useMaxWidth: false };
      window.mermaid.initialize({ ...options, er: size, flowchart: size });
      resolve(window.mermaid);
    };
    script.onerror = reject;
    document.head.append(script);
  }));

window.mermaid = {
  initialize: (given) => (options = given),
  render: async (id, text) => (await load()).render(id, text),
};
