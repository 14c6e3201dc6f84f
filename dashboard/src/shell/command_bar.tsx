import { CornerDownLeft, FileSearch, Hash, type IconNode, Layers, Moon, Rows4, Sun, TableProperties } from "lucide";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { Dialog } from "../components/dialog";
import { Icon } from "../components/icon";
import { density, theme } from "../preferences";
import { navigate, route, to } from "../router";
import { findJob } from "./find_job";

interface Command {
  id: string;
  label: string;
  note: string;
  icon: IconNode;
  run: () => void;
}

const AT_MOST = 12;

/** Go anywhere by typing: screens, queues, a job by its id, a search in the queue on screen. */
export function CommandBar({ onClose, queues }: { onClose: () => void; queues: readonly string[] }) {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const list = useId();
  const options = useRef<HTMLUListElement>(null);
  const commands = matching(text.trim(), queues);
  const chosen = Math.min(at, commands.length - 1);
  useEffect(() => {
    options.current?.children[chosen]?.scrollIntoView({ block: "nearest" });
  }, [chosen]);
  const run = (command: Command | undefined) => {
    if (!command) return;
    onClose();
    command.run();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const moves: Record<string, number> = { ArrowDown: chosen + 1, ArrowUp: chosen - 1 };
    const move = moves[event.key];
    if (event.key === "Enter") run(commands[chosen]);
    else if (move === undefined) return;
    else setAt((move + commands.length) % Math.max(1, commands.length));
    event.preventDefault();
  };
  return (
    <Dialog title="Go to" onClose={onClose} class="command-bar">
      <input
        class="input"
        type="text"
        role="combobox"
        aria-expanded="true"
        aria-controls={list}
        aria-activedescendant={commands[chosen] && `${list}-${chosen}`}
        aria-label="Queue, screen or job id"
        placeholder="Queue, screen or job id"
        autofocus
        autocomplete="off"
        spellcheck={false}
        value={text}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={onKeyDown}
      />
      <ul id={list} ref={options} role="listbox" aria-label="Places" class="options">
        {commands.map((command, index) => (
          <li
            key={command.id}
            id={`${list}-${index}`}
            role="option"
            aria-selected={index === chosen}
            onMouseMove={() => setAt(index)}
            onClick={() => run(command)}
          >
            <Icon icon={command.icon} />
            <span class="grow clip">{command.label}</span>
            <span class="faint small nowrap">{command.note}</span>
            {index === chosen && <Icon icon={CornerDownLeft} size={13} />}
          </li>
        ))}
      </ul>
    </Dialog>
  );
}

function matching(text: string, queues: readonly string[]): Command[] {
  const fixed = [...screens(), ...queues.map(queueCommand), ...settings()];
  if (!text) return fixed.slice(0, AT_MOST);
  const ranked = fixed
    .map((command) => ({ command, rank: rank(command.label.toLowerCase(), text.toLowerCase()) }))
    .filter((entry) => entry.rank >= 0)
    .sort((a, b) => a.rank - b.rank)
    .map((entry) => entry.command);
  return [...ranked.slice(0, AT_MOST), ...inQueue(text), ...anywhere(text, queues)];
}

/** 0 for the name itself, then beginning, then inside, then the letters in order; -1 for none of them. */
function rank(label: string, text: string): number {
  if (label === text) return 0;
  if (label.startsWith(text)) return 1;
  if (label.includes(text)) return 2;
  let from = 0;
  for (const letter of text) {
    from = label.indexOf(letter, from) + 1;
    if (from === 0) return -1;
  }
  return 3;
}

function screens(): Command[] {
  const all: [string, string][] = [
    ["Overview", to.overview()],
    ["Queues", to.queues()],
    ["Failures", to.failures()],
    ["Schedules", to.schedules()],
    ["Workers", to.workers()],
    ["Metrics", to.metrics()],
    ["Kubernetes", to.kubernetes()],
    ["Redis", to.redis()],
    ["Audit log", to.audit()],
  ];
  return all.map(([label, address]) => ({
    id: `screen ${label}`,
    label,
    note: "Screen",
    icon: TableProperties,
    run: () => navigate(address),
  }));
}

function queueCommand(queue: string): Command {
  return { id: `queue ${queue}`, label: queue, note: "Queue", icon: Layers, run: () => navigate(to.queue(queue)) };
}

function settings(): Command[] {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches ? theme.value !== "light" : theme.value === "dark";
  const other = dark ? "light" : "dark";
  const dense = density.value === "dense";
  return [
    {
      id: "theme",
      label: `Use the ${other} theme`,
      note: "Setting",
      icon: dark ? Sun : Moon,
      run: () => (theme.value = other),
    },
    {
      id: "density",
      label: dense ? "Use comfortable rows" : "Use dense rows",
      note: "Setting",
      icon: Rows4,
      run: () => (density.value = dense ? "comfortable" : "dense"),
    },
  ];
}

function anywhere(text: string, queues: readonly string[]): Command[] {
  if (/\s/.test(text)) return [];
  return [
    { id: "find", label: `Job ${text}`, note: "in any queue", icon: Hash, run: () => void findJob(text, queues) },
  ];
}

/** What can be done with any text in the queue on screen: open a job with this id, or search its jobs. */
function inQueue(text: string): Command[] {
  const shown = route.value;
  if (!("queue" in shown)) return [];
  const { queue } = shown;
  return [
    { id: "job", label: `Job ${text}`, note: `in ${queue}`, icon: Hash, run: () => navigate(to.job(queue, text)) },
    {
      id: "search",
      label: `Search “${text}”`,
      note: `in ${queue}`,
      icon: FileSearch,
      run: () => navigate(to.jobs(queue, { search: text })),
    },
  ];
}
