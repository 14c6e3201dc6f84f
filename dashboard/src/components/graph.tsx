/** A graph in layers that can be panned, zoomed and walked through with the keyboard. */

import type { ComponentChildren } from "preact";
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";

import "../styles/graph.css";
import type { Link, Placed } from "./graph_layout";

export interface GraphNode {
  readonly key: string;
  readonly width: number;
  readonly height: number;
  /** What a screen reader says. */
  readonly label: string;
  /** Its CSS colour, for the small map. */
  readonly color: string;
  /** Draw the node with its upper left corner at 0, 0. */
  readonly draw: () => ComponentChildren;
}

export interface GraphProps {
  label: string;
  nodes: readonly GraphNode[];
  links: readonly (Link & { kind?: string })[];
  selected: string | null;
  onSelect: (key: string) => void;
  /** Enter, Space or a double click on a node that is selected. */
  onOpen: (key: string) => void;
  /** The node to keep in sight; moving the picture by hand calls `onLeave`. */
  follow: string | null;
  onLeave: () => void;
  /** More buttons for the corner with the zoom. */
  tools?: ComponentChildren;
}

interface View {
  x: number;
  y: number;
  zoom: number;
}

const MIN_ZOOM = 0.08;
const MAX_ZOOM = 2;
const FIRST_MIN_ZOOM = 0.5;
const DRAG_FROM = 4;
const MAP = { width: 168, height: 108 };

type Layout = typeof import("./graph_layout");
let loaded: Layout | undefined;

export function Graph(props: GraphProps) {
  const { nodes, links, selected, onSelect, onOpen } = props;
  const placed = usePlaced(nodes, links);
  const frame = useRef<HTMLDivElement>(null);
  const camera = useCamera(frame, placed, props.onLeave);
  const drag = useDrag(camera);
  const [focused, setFocused] = useState<string | null>(null);
  const anchor = useRef<string | null>(null);
  const widths = useMemo(() => new Map(nodes.map(({ key, width }) => [key, width])), [nodes]);

  useStayingPut(placed, anchor, camera);
  useEffect(() => {
    const middle = props.follow && placed?.nodes.get(props.follow);
    if (middle) camera.glideTo(middle);
  }, [props.follow, placed]);

  const reach = (key: string | undefined) => {
    if (!key) return;
    setFocused(key);
    const element = frame.current?.querySelector<SVGGElement>(`[data-key="${CSS.escape(key)}"]`);
    element?.focus({ preventScroll: true });
    const middle = placed?.nodes.get(key);
    if (middle && !camera.sees(middle)) camera.glideTo(middle);
  };
  const choose = (key: string) => {
    anchor.current = key;
    setFocused(key);
    if (key === selected) onOpen(key);
    else onSelect(key);
  };
  const onKey = (event: KeyboardEvent, key: string) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !placed) return;
    const actions: Record<string, () => void> = {
      ArrowLeft: () => reach(links.find(({ to }) => to === key)?.from),
      ArrowRight: () => reach(firstChild(key, links, placed)),
      ArrowUp: () => reach(neighbour(key, placed, -1)),
      ArrowDown: () => reach(neighbour(key, placed, 1)),
      Enter: () => choose(key),
      " ": () => choose(key),
      "+": () => camera.zoomBy(1.25),
      "=": () => camera.zoomBy(1.25),
      "-": () => camera.zoomBy(0.8),
      "0": () => camera.fit(),
    };
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  };
  const tabbed = focused && nodes.some(({ key }) => key === focused) ? focused : (selected ?? nodes[0]?.key);

  return (
    <div class="graph" ref={frame}>
      <svg class="graph-canvas" role="group" aria-label={props.label} {...drag}>
        <g ref={camera.scene}>
          {placed && links.map((link) => <Edge key={`${link.from}→${link.to}`} link={link} widths={widths} placed={placed} />)}
          {placed && nodes.map((node) => {
            const middle = placed.nodes.get(node.key);
            if (!middle) return null;
            return (
              <g
                key={node.key}
                data-key={node.key}
                class={`graph-node${node.key === selected ? " selected" : ""}`}
                transform={`translate(${middle.x - node.width / 2} ${middle.y - node.height / 2})`}
                role="button"
                tabindex={node.key === tabbed ? 0 : -1}
                aria-pressed={node.key === selected}
                onClick={() => choose(node.key)}
                onKeyDown={(event) => onKey(event, node.key)}
                onFocus={() => setFocused(node.key)}
              >
                <title>{node.label}</title>
                {node.draw()}
              </g>
            );
          })}
        </g>
      </svg>
      {!placed && <p class="graph-wait">Drawing…</p>}
      <div class="graph-tools">
        {props.tools}
        <button type="button" class="graph-tool" aria-label="Zoom in" title="Zoom in (+)" onClick={() => camera.zoomBy(1.25)}>+</button>
        <button type="button" class="graph-tool" aria-label="Zoom out" title="Zoom out (-)" onClick={() => camera.zoomBy(0.8)}>−</button>
        <button type="button" class="graph-tool wide" title="Show the whole graph (0)" onClick={camera.fit}>Fit</button>
      </div>
      {placed && <SmallMap nodes={nodes} placed={placed} camera={camera} />}
    </div>
  );
}

/** Return the places of the nodes. They are worked out anew only when the shape of the graph changes. */
function usePlaced(nodes: GraphProps["nodes"], links: GraphProps["links"]): Placed | undefined {
  const [layout, setLayout] = useState<Layout | undefined>(loaded);
  useEffect(() => {
    if (loaded) return;
    void import("./graph_layout").then((module) => {
      loaded = module;
      setLayout(module);
    });
  }, []);
  const shape = useMemo(
    () => JSON.stringify([nodes.map(({ key, width, height }) => [key, width, height]), links.map(({ from, to }) => [from, to])]),
    [nodes, links],
  );
  return useMemo(() => layout?.place(nodes, links), [layout, shape]);
}

interface Camera {
  readonly scene: { current: SVGGElement | null };
  readonly view: { current: View };
  /** Call `listener` after each move; returns how to stop. */
  watch(listener: () => void): () => void;
  size(): { width: number; height: number };
  sees(point: { x: number; y: number }): boolean;
  show(view: View): void;
  panBy(x: number, y: number): void;
  zoomBy(factor: number, at?: { x: number; y: number }): void;
  fit(): void;
  centre(point: { x: number; y: number }): void;
  glideTo(point: { x: number; y: number }): void;
  left(): void;
}

/** Move the scene without rendering anything again: only a transform changes. */
function useCamera(frame: { current: HTMLDivElement | null }, placed: Placed | undefined, onLeave: () => void): Camera {
  const scene = useRef<SVGGElement>(null);
  const view = useRef<View>({ x: 0, y: 0, zoom: 1 });
  const listeners = useRef(new Set<() => void>());
  const glide = useRef(0);
  const graph = useRef(placed);
  graph.current = placed;
  const leave = useRef(onLeave);
  leave.current = onLeave;

  const camera = useMemo<Camera>(() => {
    const size = () => ({ width: frame.current?.clientWidth ?? 1, height: frame.current?.clientHeight ?? 1 });
    const show = (next: View) => {
      view.current = next;
      scene.current?.setAttribute("transform", `translate(${next.x} ${next.y}) scale(${next.zoom})`);
      frame.current?.classList.toggle("far", next.zoom < 0.4);
      for (const listener of listeners.current) listener();
    };
    const centred = (point: { x: number; y: number }, zoom: number): View => {
      const { width, height } = size();
      return { x: width / 2 - point.x * zoom, y: height / 2 - point.y * zoom, zoom };
    };
    const stop = () => cancelAnimationFrame(glide.current);
    const glideTo = (point: { x: number; y: number }) => {
      stop();
      const from = view.current;
      const target = centred(point, Math.max(from.zoom, 0.6));
      if (matchMedia("(prefers-reduced-motion: reduce)").matches) return show(target);
      const start = performance.now();
      const frameOf = (now: number) => {
        const part = Math.min(1, (now - start) / 260);
        const eased = 1 - (1 - part) ** 3;
        const between = (one: number, other: number) => one + (other - one) * eased;
        show({ x: between(from.x, target.x), y: between(from.y, target.y), zoom: between(from.zoom, target.zoom) });
        if (part < 1) glide.current = requestAnimationFrame(frameOf);
      };
      glide.current = requestAnimationFrame(frameOf);
    };
    return {
      scene, view, size, show, glideTo,
      watch: (listener) => {
        listeners.current.add(listener);
        return () => listeners.current.delete(listener);
      },
      sees: ({ x, y }) => {
        const { width, height } = size();
        const [left, top] = [x * view.current.zoom + view.current.x, y * view.current.zoom + view.current.y];
        return left > 20 && top > 20 && left < width - 20 && top < height - 20;
      },
      panBy: (x, y) => {
        stop();
        show({ ...view.current, x: view.current.x + x, y: view.current.y + y });
      },
      zoomBy: (factor, at) => {
        stop();
        const { width, height } = size();
        const point = at ?? { x: width / 2, y: height / 2 };
        const zoom = Math.min(MAX_ZOOM, Math.max(MIN_ZOOM, view.current.zoom * factor));
        const ratio = zoom / view.current.zoom;
        show({ x: point.x - (point.x - view.current.x) * ratio, y: point.y - (point.y - view.current.y) * ratio, zoom });
      },
      fit: () => {
        stop();
        if (graph.current) show(fitted(graph.current, size(), MIN_ZOOM));
      },
      centre: (point) => {
        stop();
        show(centred(point, view.current.zoom));
      },
      left: () => leave.current(),
    };
  }, []);

  const shown = useRef(false);
  useLayoutEffect(() => {
    if (!placed || shown.current) return;
    shown.current = true;
    camera.show(fitted(placed, camera.size(), FIRST_MIN_ZOOM));
  }, [placed]);
  useEffect(() => () => cancelAnimationFrame(glide.current), []);
  return camera;
}

/** Return the view that shows the whole graph, or its first layers where they would become too small. */
function fitted(placed: Placed, { width, height }: { width: number; height: number }, least: number): View {
  const whole = Math.min(1, (width - 32) / placed.width, (height - 32) / placed.height);
  const zoom = Math.max(least, whole);
  const x = placed.width * zoom <= width ? (width - placed.width * zoom) / 2 : 16;
  return { x, y: (height - placed.height * zoom) / 2, zoom };
}

/** After a change of shape, keep the node that was used under the pointer. */
function useStayingPut(placed: Placed | undefined, anchor: { current: string | null }, camera: Camera): void {
  const before = useRef<Placed | undefined>(undefined);
  useLayoutEffect(() => {
    const old = anchor.current && before.current?.nodes.get(anchor.current);
    const next = anchor.current && placed?.nodes.get(anchor.current);
    if (old && next && before.current !== placed) {
      const { zoom } = camera.view.current;
      camera.panBy((old.x - next.x) * zoom, (old.y - next.y) * zoom);
    }
    before.current = placed;
  }, [placed]);
}

/** Pan with one pointer, pinch with two, zoom with the wheel and Ctrl. */
function useDrag(camera: Camera) {
  const pointers = useRef(new Map<number, { x: number; y: number }>());
  const moved = useRef(0);
  const place = (event: PointerEvent | WheelEvent) => {
    const box = (event.currentTarget as SVGElement).getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const onPointerDown = useCallback((event: PointerEvent) => {
    if (event.button !== 0) return;
    pointers.current.set(event.pointerId, place(event));
    moved.current = 0;
  }, []);
  const onPointerMove = useCallback((event: PointerEvent) => {
    const before = pointers.current.get(event.pointerId);
    if (!before) return;
    const now = place(event);
    moved.current += Math.abs(now.x - before.x) + Math.abs(now.y - before.y);
    if (moved.current < DRAG_FROM) return;
    (event.currentTarget as SVGElement).setPointerCapture(event.pointerId);
    const other = [...pointers.current].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const grown = distance(now, other) / Math.max(1, distance(before, other));
      camera.zoomBy(grown, { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 });
    } else {
      camera.panBy(now.x - before.x, now.y - before.y);
    }
    pointers.current.set(event.pointerId, now);
    camera.left();
  }, []);
  const onPointerUp = useCallback((event: PointerEvent) => {
    pointers.current.delete(event.pointerId);
  }, []);
  const onWheel = useCallback((event: WheelEvent) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    camera.zoomBy(Math.exp(-event.deltaY * 0.004), place(event));
    camera.left();
  }, []);
  const onClickCapture = useCallback((event: MouseEvent) => {
    if (moved.current >= DRAG_FROM) event.stopPropagation();
    moved.current = 0;
  }, []);
  return { onPointerDown, onPointerMove, onPointerUp, onPointerCancel: onPointerUp, onWheel, onClickCapture };
}

interface EdgeProps {
  link: Link & { kind?: string };
  widths: ReadonlyMap<string, number>;
  placed: Placed;
}

function Edge({ link, widths, placed }: EdgeProps) {
  const [from, to] = [placed.nodes.get(link.from), placed.nodes.get(link.to)];
  if (!from || !to) return null;
  const start = from.x + (widths.get(link.from) ?? 0) / 2;
  const end = to.x - (widths.get(link.to) ?? 0) / 2;
  const [last, bend] = [Math.max(start, from.right), (end - Math.max(start, from.right)) / 2];
  return (
    <path
      class={`graph-edge ${link.kind ?? ""}`}
      d={`M${start} ${from.y}H${last}C${last + bend} ${from.y} ${end - bend} ${to.y} ${end} ${to.y}`}
    />
  );
}

/** The whole graph in a corner, with what is in sight; only while not all of it is. */
function SmallMap({ nodes, placed, camera }: { nodes: readonly GraphNode[]; placed: Placed; camera: Camera }) {
  const window = useRef<SVGRectElement>(null);
  const map = useRef<SVGSVGElement>(null);
  const scale = Math.min(MAP.width / placed.width, MAP.height / placed.height);

  useLayoutEffect(() => {
    const follow = () => {
      const { x, y, zoom } = camera.view.current;
      const { width, height } = camera.size();
      const [left, top] = [Math.max(0, -x / zoom), Math.max(0, -y / zoom)];
      const right = Math.min(placed.width, (width - x) / zoom);
      const bottom = Math.min(placed.height, (height - y) / zoom);
      set(window.current, { x: left, y: top, width: Math.max(0, right - left), height: Math.max(0, bottom - top) });
      const all = left <= 0 && top <= 0 && right >= placed.width && bottom >= placed.height;
      map.current?.classList.toggle("none", all);
    };
    follow();
    return camera.watch(follow);
  }, [placed]);

  const go = (event: PointerEvent) => {
    if (event.buttons !== 1) return;
    const box = (event.currentTarget as SVGElement).getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width;
    const y = (event.clientY - box.top) / box.height;
    camera.centre({ x: x * placed.width, y: y * placed.height });
    camera.left();
  };
  return (
    <svg
      ref={map}
      class="graph-map"
      width={placed.width * scale}
      height={placed.height * scale}
      viewBox={`0 0 ${placed.width} ${placed.height}`}
      aria-hidden="true"
      onPointerDown={go}
      onPointerMove={go}
    >
      {nodes.map(({ key, width, height, color }) => {
        const middle = placed.nodes.get(key);
        return middle && (
          <rect key={key} x={middle.x - width / 2} y={middle.y - height / 2} width={width} height={height} rx="6" style={{ fill: color }} />
        );
      })}
      <rect class="graph-sight" ref={window} />
    </svg>
  );
}

function set(element: Element | null, values: Record<string, number>): void {
  for (const [name, value] of Object.entries(values)) element?.setAttribute(name, String(value));
}

function distance(one: { x: number; y: number }, other: { x: number; y: number }): number {
  return Math.hypot(one.x - other.x, one.y - other.y);
}

function firstChild(key: string, links: readonly Link[], placed: Placed): string | undefined {
  const children = links.filter(({ from }) => from === key).map(({ to }) => to);
  return children.sort((one, other) => (placed.nodes.get(one)?.y ?? 0) - (placed.nodes.get(other)?.y ?? 0))[0];
}

/** Return the node above (-1) or below (1) in the same layer. */
function neighbour(key: string, placed: Placed, direction: -1 | 1): string | undefined {
  const from = placed.nodes.get(key);
  if (!from) return undefined;
  const layer = [...placed.nodes].filter(([, { x, y }]) => Math.abs(x - from.x) < 60 && (y - from.y) * direction > 0);
  return layer.sort((one, other) => (one[1].y - other[1].y) * direction)[0]?.[0];
}
