// Necks as graphs, as the course's `graphs` and notebook 05 have them: edges become nodes, in an order
// that runs.
"use strict";

window.course.necks = (() => {
  // The node that would need its own result, or null.
  const inACircle = (edges) => {
    const before = new Map();
    for (const [source, node] of edges) before.set(node, [...(before.get(node) ?? []), source]);
    for (const node of before.keys()) {
      const seen = new Set();
      const waiting = [node];
      while (waiting.length) {
        for (const source of before.get(waiting.pop()) ?? []) {
          if (source === node) return node;
          if (!seen.has(source)) {
            seen.add(source);
            waiting.push(source);
          }
        }
      }
    }
    return null;
  };

  // The nodes such that each comes after its inputs: as they are written where that runs, or else in
  // the order of Python's graphlib.
  const inOrder = (nodes) => {
    const known = (name) => name.endsWith("_in");
    const ready = new Set();
    const runs = nodes.every(({ name, inputs }) => {
      ready.add(name);
      return inputs.every((source) => known(source) || (source !== name && ready.has(source)));
    });
    if (runs) return nodes;
    const waiting = new Map(); // by name: how many inputs are missing, and who waits for it
    const at = (name) => {
      if (!waiting.has(name)) waiting.set(name, { missing: 0, behind: [] });
      return waiting.get(name);
    };
    for (const { name, inputs } of nodes) {
      at(name).missing += inputs.length;
      for (const source of inputs) at(source).behind.push(name);
    }
    const order = [];
    let group = [...waiting.keys()].filter((name) => !waiting.get(name).missing);
    while (group.length) {
      order.push(...group);
      const next = [];
      for (const name of group) {
        for (const one of waiting.get(name).behind) {
          waiting.get(one).missing -= 1;
          if (!waiting.get(one).missing) next.push(one);
        }
      }
      group = next;
    }
    return order.flatMap((name) => nodes.filter((node) => node.name === name));
  };

  // The nodes that these edges make.
  const nodesOf = (edges, levels) => {
    const inputs = new Map();
    for (const [source, node] of edges) inputs.set(node, [...(inputs.get(node) ?? []), source]);
    for (const level of levels) {
      if (!inputs.has(`P${level}_out`)) {
        throw new Error(`P${level}_out has no input yet: draw an edge to it.`);
      }
    }
    for (const [name, sources] of inputs) {
      for (const source of sources) {
        if (!source.endsWith("_in") && !inputs.has(source)) {
          throw new Error(`${name} reads ${source}, which has no input yet.`);
        }
      }
    }
    const names = ["td", "out"].flatMap((kind) => [...levels].reverse().map((level) => `P${level}_${kind}`));
    const written = names.filter((name) => inputs.has(name));
    const nodes = inOrder(written.map((name) => ({ name, level: Number(name[1]), inputs: inputs.get(name) })));
    const late = levels.map((level) => nodes.filter((node) => node.level === level).at(-1).name)
      .find((name) => name.endsWith("_td"));
    if (late) {
      throw new Error(
        `${late} runs after P${late[1]}_out, so it would be the output of P${late[1]}: ` +
          "let it read something else.",
      );
    }
    return nodes;
  };

  const asCode = (nodes) => {
    const tuple = (names) => `(${names.map((name) => `"${name}"`).join(", ")}${names.length === 1 ? "," : ""})`;
    const lines = nodes.map(({ name, level, inputs }) => `    Node("${name}", ${level}, ${tuple(inputs)}),`);
    return `FusionGraph("yours", (\n${lines.join("\n")}\n))`;
  };

  return { asCode, inACircle, nodesOf };
})();
