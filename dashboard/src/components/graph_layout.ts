/** Place the nodes of a graph in layers with dagre. Loaded on demand. */

import { Graph, layout } from "@dagrejs/dagre";

export interface Box {
  readonly key: string;
  readonly width: number;
  readonly height: number;
}

export interface Link {
  readonly from: string;
  readonly to: string;
}

export interface Place {
  /** The middle of the node. */
  readonly x: number;
  readonly y: number;
  /** Where the node's layer ends: links bend only after it, so as not to run below wider neighbours. */
  readonly right: number;
}

export interface Placed {
  readonly nodes: ReadonlyMap<string, Place>;
  readonly width: number;
  readonly height: number;
}

/** Return where each box goes: layers from left to right, children of one parent below each other. */
export function place(boxes: readonly Box[], links: readonly Link[]): Placed {
  const graph = new Graph();
  graph.setGraph({ rankdir: "LR", nodesep: 14, ranksep: 72, marginx: 8, marginy: 8 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const { key, width, height } of boxes) graph.setNode(key, { width, height });
  for (const { from, to } of links) graph.setEdge(from, to);
  layout(graph);
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number };
  return { nodes: aligned(boxes, (key) => graph.node(key) as { x: number; y: number }), width, height };
}

/** Let the nodes of a layer begin at one line; dagre puts their middles there. */
function aligned(boxes: readonly Box[], placeOf: (key: string) => { x: number; y: number }): Map<string, Place> {
  const widest = new Map<number, number>();
  for (const { key, width } of boxes) {
    const layer = Math.round(placeOf(key).x);
    widest.set(layer, Math.max(widest.get(layer) ?? 0, width));
  }
  return new Map(
    boxes.map(({ key, width }) => {
      const { x, y } = placeOf(key);
      const layer = (widest.get(Math.round(x)) ?? width) / 2;
      return [key, { x: x - layer + width / 2, y, right: x + layer }];
    }),
  );
}
