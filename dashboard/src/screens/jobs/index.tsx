import { ArrowDownUp, ArrowUp, Columns3, RotateCw } from "lucide";
import { useEffect, useState } from "preact/hooks";
import type { JobRow, ListedState, Queue } from "../../api/types";
import { Button, IconButton } from "../../components/button";
import { Empty, ErrorBox, Loading } from "../../components/feedback";
import { Icon } from "../../components/icon";
import { Menu } from "../../components/menu";
import { Pager } from "../../components/pager";
import { Card } from "../../components/page";
import { Table } from "../../components/table";
import { formatAbsolute, formatClock, formatNumber, formatShort, plural } from "../../format";
import { stored } from "../../preferences";
import { query, setQuery, to } from "../../router";
import { refusal } from "../../session";
import { isState, STATES, stateLook } from "../../states";
import { type ActionLook, actionsFor } from "./actions";
import { BulkDialog } from "./bulk_dialog";
import type { Scope } from "./bulk_run";
import { type ColumnId, COLUMNS, defaultColumns } from "./columns";
import { type JobList, PAGE, useJobList } from "./job_list";
import { SearchField } from "./search_field";
import "./jobs.css";

/** The jobs of a queue in one state: chips, search, list, bulk actions. */
export function Jobs({ queue }: { queue: Queue }) {
  const wanted = query("state").value;
  const state = isState(wanted) ? wanted : firstState(queue);
  useEffect(() => {
    if (!isState(wanted)) setQuery({ state }, { replace: true });
  }, [wanted]);
  return (
    <>
      <StateChips queue={queue} current={state} />
      <List key={state} queue={queue} state={state} />
    </>
  );
}

/** The first state that holds a job, in the order in which people ask. */
function firstState({ counts }: Queue): ListedState {
  return STATES.find((state) => (counts[state] ?? 0) > 0) ?? "waiting";
}

function StateChips({ queue, current }: { queue: Queue; current: ListedState }) {
  const search = query("search").value;
  return (
    <nav class="chips" aria-label="States">
      {STATES.map((state) => {
        const look = stateLook(state);
        const count = queue.counts[state] ?? 0;
        return (
          <a
            key={state}
            class="chip"
            style={{ "--colour": look.colour }}
            href={to.jobs(queue.name, { state, search })}
            aria-current={state === current ? "page" : undefined}
            title={`${look.meaning}: ${formatNumber(count)}`}
          >
            <Icon icon={look.icon} size={15} />
            {look.word}
            <span class="number chip-count">{formatShort(count)}</span>
          </a>
        );
      })}
    </nav>
  );
}

function List({ queue, state }: { queue: Queue; state: ListedState }) {
  const search = query("search").value ?? "";
  const order = query("order").value === "oldest" ? "oldest" : "newest";
  const cursor = query("cursor").value;
  const list = useJobList({ queue: queue.name, state, search, order, cursor });
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [all, setAll] = useState(false);
  const [acting, setActing] = useState<ActionLook | null>(null);
  useEffect(() => {
    setChosen(new Set());
    setAll(false);
  }, [search, order, cursor]);
  const choose = (next: ReadonlySet<string>) => {
    setChosen(next);
    setAll(false);
  };
  const [shownColumns, setShownColumns] = useColumns(state);
  const total = Math.max(list.total, queue.counts[state] ?? 0);
  const scope: Scope = all ? { state, search, total } : { ids: [...chosen] };
  return (
    <>
      <div class="list-tools">
        <SearchField
          queue={queue.name}
          state={state}
          value={search}
          onSearch={(text) => setQuery({ search: text, cursor: null })}
        />
        <Button
          icon={ArrowDownUp}
          onClick={() => setQuery({ order: order === "newest" ? "oldest" : null, cursor: null })}
        >
          {order === "newest" ? "Newest first" : "Oldest first"}
        </Button>
        <ColumnMenu shown={shownColumns} onChange={setShownColumns} />
        <IconButton icon={RotateCw} label="Read the list again" onClick={list.reload} />
      </div>
      <Card flush class="jobs-card">
        {chosen.size > 0 && (
          <BulkBar
            state={state}
            chosen={chosen.size}
            all={all}
            page={list.rows.length}
            total={total}
            search={search}
            onAll={() => setAll(true)}
            onNone={() => choose(new Set())}
            onAct={setActing}
          />
        )}
        {list.newer > 0 && <NewerPill list={list} />}
        {search && <SearchCost list={list} />}
        {list.error && <ErrorBox error={list.error} retry={list.reload} />}
        <Rows list={list} columns={shownColumns} chosen={chosen} choose={choose} state={state} search={search} />
        <Foot list={list} cursor={cursor} total={total} search={search} />
      </Card>
      {acting && (
        <BulkDialog
          queue={queue.name}
          look={acting}
          scope={scope}
          onClose={(changed) => {
            setActing(null);
            if (!changed) return;
            choose(new Set());
            list.reload();
          }}
        />
      )}
    </>
  );
}

interface RowsProps {
  list: JobList;
  columns: readonly ColumnId[];
  chosen: ReadonlySet<string>;
  choose: (chosen: ReadonlySet<string>) => void;
  state: ListedState;
  search: string;
}

function Rows({ list, columns, chosen, choose, state, search }: RowsProps) {
  if (list.rows.length === 0) {
    if (list.running) return <Loading />;
    if (list.error) return null;
    const look = stateLook(state);
    return <Empty icon={look.icon} title={search ? "No job matches" : `No ${look.word.toLowerCase()} jobs`} />;
  }
  const shown = COLUMNS.filter(({ id }) => id === "job" || columns.includes(id));
  return (
    <Table<JobRow>
      label={`${stateLook(state).word} jobs`}
      columns={shown}
      rows={list.rows}
      rowKey={({ id }) => id}
      rowClass={({ id }) => (list.gone.has(id) ? "gone" : "")}
      selection={{ chosen, set: choose }}
      keyboard
    />
  );
}

function NewerPill({ list }: { list: JobList }) {
  return (
    <div class="newer" aria-live="polite">
      <Button kind="primary" small icon={ArrowUp} onClick={list.reload}>
        {list.newer >= PAGE ? `${formatNumber(PAGE)} or more` : formatNumber(list.newer)} new
      </Button>
    </div>
  );
}

/** A search reads jobs one by one: say how many, and let it be stopped. */
function SearchCost({ list }: { list: JobList }) {
  if (list.error) return null;
  return (
    <div class="search-cost small" role="status">
      <span class="grow">
        {list.running ? "Looked" : "Has looked"} at {formatNumber(list.scanned)} of {plural(list.total, "job")}, found{" "}
        {formatNumber(list.rows.length)}
        {list.at && !list.running && <> (list of {formatClock(list.at)})</>}
      </span>
      {list.running && (
        <Button small onClick={list.stop}>
          Stop
        </Button>
      )}
    </div>
  );
}

function Foot({
  list,
  cursor,
  total,
  search,
}: {
  list: JobList;
  cursor: string | null;
  total: number;
  search: string;
}) {
  if (list.rows.length === 0 && cursor === null && list.next === null) return null;
  return (
    <Pager cursor={cursor} next={list.next} busy={list.running} onGo={(next) => setQuery({ cursor: next })}>
      {formatNumber(list.rows.length)} shown{search ? "" : ` of ${formatNumber(total)}`}
      {list.at && <span title={formatAbsolute(list.at)}> · list of {formatClock(list.at)}</span>}
      {list.gone.size > 0 && ` · ${formatNumber(list.gone.size)} moved on since`}
    </Pager>
  );
}

interface BulkBarProps {
  state: ListedState;
  chosen: number;
  all: boolean;
  page: number;
  total: number;
  search: string;
  onAll: () => void;
  onNone: () => void;
  onAct: (look: ActionLook) => void;
}

function BulkBar({ state, chosen, all, page, total, search, onAll, onNone, onAct }: BulkBarProps) {
  const everything = search ? "all that match" : `all ${formatNumber(total)}`;
  return (
    <div class="bulk-bar" role="region" aria-label="Actions on the chosen jobs">
      <strong class="number">
        {all ? (search ? "All that match" : `All ${formatNumber(total)}`) : formatNumber(chosen)} chosen
      </strong>
      {!all && chosen >= page && total > page && (
        <Button kind="quiet" small onClick={onAll}>
          Choose {everything}
        </Button>
      )}
      <Button kind="quiet" small onClick={onNone}>
        Choose none
      </Button>
      <span class="grow" />
      {actionsFor(state).map((look) => (
        <Button key={look.action} small icon={look.icon} reason={refusal(look.needs)} onClick={() => onAct(look)}>
          {look.verb}
        </Button>
      ))}
    </div>
  );
}

function ColumnMenu({
  shown,
  onChange,
}: {
  shown: readonly ColumnId[];
  onChange: (columns: readonly ColumnId[]) => void;
}) {
  const items = COLUMNS.filter(({ id }) => id !== "job").map(({ id, title }) => ({
    label: title,
    checked: shown.includes(id),
    run: () => onChange(shown.includes(id) ? shown.filter((other) => other !== id) : [...shown, id]),
  }));
  return (
    <Menu class="icon-button" label="Columns" items={items}>
      <Icon icon={Columns3} />
    </Menu>
  );
}

const chosenColumns = stored("oxmq.columns", "{}", (text) => text);

/** Columns of a state's list: as chosen in this browser, else those that suit the state. */
function useColumns(state: ListedState): [readonly ColumnId[], (columns: readonly ColumnId[]) => void] {
  const kept = readKept(chosenColumns.value);
  const set = (columns: readonly ColumnId[]) => (chosenColumns.value = JSON.stringify({ ...kept, [state]: columns }));
  return [kept[state] ?? defaultColumns(state), set];
}

function readKept(text: string): Partial<Record<ListedState, readonly ColumnId[]>> {
  try {
    return JSON.parse(text) as Partial<Record<ListedState, readonly ColumnId[]>>;
  } catch {
    return {};
  }
}
