// Making elements. Every text goes in as text: nothing that a container is called becomes markup.

const SVG = "http://www.w3.org/2000/svg";

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

/** An element with attributes and children (nodes or texts). */
export const element = (tag, attributes = {}, ...children) => filled(document.createElement(tag), attributes, children);

/** The same for a drawing. */
export const drawing = (tag, attributes = {}, ...children) => filled(document.createElementNS(SVG, tag), attributes, children);

/** An empty text, to be written to with `write`. */
export const text = (data = "") => document.createTextNode(data);

/** Changes a text only if it differs: the browser then has nothing to lay out. */
export function write(node, data) {
  if (node.data !== data) node.data = data;
}

/** The same for an attribute; `undefined` takes it away. */
export function mark(node, name, value) {
  if (value === undefined) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== value) {
    node.setAttribute(name, value);
  }
}
