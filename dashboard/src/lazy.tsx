import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ErrorBox, Loading } from "./components/feedback";

/** A screen whose code is fetched when it is first shown. */
export function lazy<P extends object>(load: () => Promise<{ default: ComponentType<P> }>): ComponentType<P> {
  let loaded: ComponentType<P> | undefined;
  return function Lazy(props: P) {
    const [Screen, setScreen] = useState(() => loaded);
    const [failed, setFailed] = useState(false);
    useEffect(() => {
      if (loaded) return;
      load().then(
        (module) => {
          loaded = module.default;
          setScreen(() => loaded);
        },
        () => setFailed(true),
      );
    }, []);
    if (failed) return <Outdated />;
    return Screen ? <Screen {...props} /> : <Loading />;
  };
}

/** Part of the page could not be fetched: most often the server was updated since the page was opened. */
function Outdated() {
  const error = new Error("This part of the page could not be loaded. If the server was updated, load the page again.");
  return <ErrorBox error={error} retry={() => window.location.reload()} />;
}
