import { Search, X } from "lucide";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { api, queuePath } from "../../api/client";
import type { JobState, Suggestions } from "../../api/types";
import { IconButton } from "../../components/button";
import { Icon } from "../../components/icon";
import { complete, suggest, wordAt } from "./search_words";

interface Props {
  queue: string;
  state: JobState;
  value: string;
  /** Called when the search is finished with Enter, not while it is typed: a search reads many jobs. */
  onSearch: (search: string) => void;
}

const NOTHING: Suggestions = { names: [], workers: [], data_keys: [] };

export function SearchField({ queue, state, value, onSearch }: Props) {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const [text, setText] = useState(value);
  const [caret, setCaret] = useState(0);
  const [open, setOpen] = useState(false);
  const [at, setAt] = useState(-1);
  const known = useSuggestions(queue, state, open);
  useEffect(() => setText(value), [value]);

  const options = open ? suggest(wordAt(text, caret).word, known) : [];
  const choose = (replacement: string) => {
    const done = complete(text, caret, replacement);
    setText(done.text);
    setCaret(done.caret);
    setAt(-1);
    input.current?.focus();
    requestAnimationFrame(() => input.current?.setSelectionRange(done.caret, done.caret));
  };
  const search = (wanted: string) => {
    setOpen(false);
    setAt(-1);
    onSearch(wanted.trim());
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const chosen = options[at];
    if (event.key === "Enter") chosen ? choose(chosen.text) : search(text);
    else if (event.key === "Tab" && chosen) choose(chosen.text);
    else if (event.key === "Escape" && open) setOpen(false);
    else if (event.key === "ArrowDown" && options.length > 0) setAt((at + 1) % options.length);
    else if (event.key === "ArrowUp" && options.length > 0) setAt((at <= 0 ? options.length : at) - 1);
    else return;
    event.preventDefault();
  };
  const follow = () => {
    setCaret(input.current?.selectionStart ?? 0);
    setOpen(true);
  };

  return (
    <div class="search-field">
      <Icon icon={Search} />
      <input
        ref={input}
        data-search
        type="text"
        class="input"
        role="combobox"
        aria-label="Search jobs"
        aria-expanded={options.length > 0}
        aria-controls={id}
        aria-autocomplete="list"
        aria-activedescendant={at >= 0 ? `${id}-${at}` : undefined}
        placeholder='Search: name:resize  data.user.id:42  error:"time out"  age:>1h'
        spellcheck={false}
        autocomplete="off"
        value={text}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setAt(-1);
          follow();
        }}
        onClick={follow}
        onBlur={() => setOpen(false)}
        onKeyDown={onKeyDown}
      />
      {text && (
        <IconButton
          icon={X}
          label="Clear the search"
          onClick={() => {
            setText("");
            search("");
          }}
        />
      )}
      <ul id={id} role="listbox" aria-label="Suggestions" class="options search-options" hidden={options.length === 0}>
        {options.map((option, index) => (
          <li
            key={option.text}
            id={`${id}-${index}`}
            role="option"
            aria-selected={index === at}
            onMouseDown={(event) => {
              event.preventDefault();
              choose(option.text);
            }}
          >
            <code class="grow clip">{option.text}</code>
            <span class="faint small">{option.meaning}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}

/** Names, workers and fields of the newest jobs; asked for once somebody begins to type. */
function useSuggestions(queue: string, state: JobState, wanted: boolean): Suggestions {
  const [known, setKnown] = useState<{ key: string; value: Suggestions }>({ key: "", value: NOTHING });
  const key = `${queue} ${state}`;
  useEffect(() => {
    if (!wanted || known.key === key) return;
    setKnown({ key, value: NOTHING });
    api.get<Suggestions>(queuePath(queue, "/suggestions"), { query: { state } }).then(
      (value) => setKnown({ key, value }),
      () => undefined, // without suggestions the field still works
    );
  }, [key, wanted]);
  return known.key === key ? known.value : NOTHING;
}
