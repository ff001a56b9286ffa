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
      window.mermaid.initialize(options);
      resolve(window.mermaid);
    };
    script.onerror = reject;
    document.head.append(script);
  }));

window.mermaid = {
  initialize: (given) => (options = given),
  render: async (id, text) => (await load()).render(id, text),
};
