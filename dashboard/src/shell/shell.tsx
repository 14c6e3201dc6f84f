import { Keyboard, LogOut, Menu as MenuIcon, Monitor, Moon, Rows3, Rows4, Search, Settings2, Sun, X } from "lucide";
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { useOverview } from "../api/live";
import { IconButton } from "../components/button";
import { Icon } from "../components/icon";
import { Menu, type MenuItem } from "../components/menu";
import { useShortcuts } from "../keyboard";
import { density, theme } from "../preferences";
import { navigate, path, to } from "../router";
import { session, signOut } from "../session";
import { CommandBar } from "./command_bar";
import { KeySheet } from "./key_sheet";
import { LiveMark } from "./live_mark";
import { Logo } from "./logo";
import { Navigation } from "./navigation";

type Sheet = "commands" | "keys" | null;

/** What is around every screen: navigation, command bar, preferences, live mark. */
export function Shell({ children }: { children: ComponentChildren }) {
  const [sheet, setSheet] = useState<Sheet>(null);
  const [navOpen, setNavOpen] = useState(false);
  const main = useRef<HTMLElement>(null);
  const overview = useOverview();
  useFocusOnNavigation(main);
  useEffect(() => setNavOpen(false), [path.value]);
  useShellKeys(setSheet);
  return (
    <div
      class={`shell ${navOpen ? "nav-open" : ""}`}
      onKeyDown={(event) => event.key === "Escape" && setNavOpen(false)}
    >
      <header class="top">
        <a
          class="skip"
          href={window.location.href}
          onClick={(event) => {
            event.preventDefault();
            main.current?.focus();
          }}
        >
          Skip to the content
        </a>
        <IconButton
          class="nav-toggle"
          icon={navOpen ? X : MenuIcon}
          label={navOpen ? "Close the navigation" : "Open the navigation"}
          aria-expanded={navOpen}
          aria-controls="navigation"
          onClick={() => setNavOpen(!navOpen)}
        />
        <a class="brand" href={to.overview()} aria-label="oxmq: overview">
          <Logo />
          <span>oxmq</span>
        </a>
        <button type="button" class="command-button" onClick={() => setSheet("commands")} aria-keyshortcuts="Control+K">
          <Icon icon={Search} />
          <span class="grow">Go to a queue, a screen or a job</span>
          <kbd>Ctrl K</kbd>
        </button>
        <LiveMark />
        <Preferences showKeys={() => setSheet("keys")} />
      </header>
      <Navigation overview={overview.value} />
      <div class="scrim" onClick={() => setNavOpen(false)} />
      <main ref={main} id="main" tabIndex={-1}>
        {children}
      </main>
      {sheet === "commands" && (
        <CommandBar onClose={() => setSheet(null)} queues={Object.keys(overview.value?.queues ?? {})} />
      )}
      {sheet === "keys" && <KeySheet onClose={() => setSheet(null)} />}
    </div>
  );
}

/** After a link outside the content led to another screen, the keyboard goes on in that screen. */
function useFocusOnNavigation(main: { current: HTMLElement | null }) {
  const shown = useRef(path.value);
  useEffect(() => {
    if (shown.current === path.value) return;
    shown.current = path.value;
    if (!main.current?.contains(document.activeElement)) main.current?.focus({ preventScroll: true });
  }, [path.value]);
}

function useShellKeys(show: (sheet: Sheet) => void) {
  const go = (letter: string, label: string, address: () => string) => ({
    keys: `g ${letter}`,
    label: `Go to ${label}`,
    group: "Go to",
    run: () => navigate(address()),
  });
  useShortcuts([
    { keys: "?", label: "Show this sheet", group: "Anywhere", run: () => show("keys") },
    { keys: "Ctrl+k", label: "Open the command bar", group: "Anywhere", run: () => show("commands") },
    { keys: "/", label: "Search", group: "Anywhere", run: () => focusSearch() || show("commands") },
    go("o", "the overview", to.overview),
    go("q", "the queues", to.queues),
    go("f", "the failures", to.failures),
    go("s", "the schedules", to.schedules),
    go("w", "the workers", to.workers),
    go("m", "the metrics", to.metrics),
    go("k", "Kubernetes", to.kubernetes),
    go("r", "Redis", to.redis),
    go("a", "the audit log", to.audit),
  ]);
}

/** Put the focus into the screen's own search field, where it has one. */
function focusSearch(): boolean {
  const field = document.querySelector<HTMLInputElement>("[data-search]");
  field?.focus();
  field?.select();
  return field !== null;
}

function Preferences({ showKeys }: { showKeys: () => void }) {
  const known = session.value;
  const themes: MenuItem[] = [
    { label: "System theme", icon: Monitor, checked: theme.value === "system", run: () => (theme.value = "system") },
    { label: "Light", icon: Sun, checked: theme.value === "light", run: () => (theme.value = "light") },
    { label: "Dark", icon: Moon, checked: theme.value === "dark", run: () => (theme.value = "dark") },
  ];
  const densities: MenuItem[] = [
    {
      label: "Comfortable",
      icon: Rows3,
      checked: density.value === "comfortable",
      run: () => (density.value = "comfortable"),
    },
    { label: "Dense", icon: Rows4, checked: density.value === "dense", run: () => (density.value = "dense") },
  ];
  const rest: (MenuItem | "line")[] = ["line", { label: "Keyboard shortcuts", icon: Keyboard, run: showKeys }];
  if (known?.auth === "cookie") rest.push({ label: `Sign out ${known.user}`, icon: LogOut, run: () => void signOut() });
  return (
    <Menu class="icon-button" label="Preferences" items={[...themes, "line", ...densities, ...rest]}>
      <Icon icon={Settings2} />
    </Menu>
  );
}
