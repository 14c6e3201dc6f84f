import { Dialog } from "../components/dialog";
import { type Shortcut, shortcuts } from "../keyboard";

export function KeySheet({ onClose }: { onClose: () => void }) {
  const groups = Map.groupBy(shortcuts.value, ({ group }) => group);
  return (
    <Dialog title="Keyboard shortcuts" onClose={onClose} wide>
      <div class="key-groups">
        {[...groups].map(([group, list]) => (
          <section key={group}>
            <h3>{group}</h3>
            <dl class="keys">
              {list.map((shortcut) => (
                <Keys key={shortcut.keys} shortcut={shortcut} />
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}

function Keys({ shortcut }: { shortcut: Shortcut }) {
  const together = shortcut.keys.includes("+");
  const keys = together ? shortcut.keys.split("+") : shortcut.keys.split(" ");
  return (
    <div>
      <dt>
        {keys.map((key, index) => (
          <span key={key}>
            {index > 0 && <span class="faint"> {together ? "+" : "then"} </span>}
            <kbd>{key.length === 1 && together ? key.toUpperCase() : key}</kbd>
          </span>
        ))}
      </dt>
      <dd>{shortcut.label}</dd>
    </div>
  );
}
