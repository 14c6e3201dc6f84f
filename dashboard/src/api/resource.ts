import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import type { ApiError } from "./client";

export interface Resource<T> {
  data: T | undefined;
  error: ApiError | undefined;
  /** True while a call is under way, also when older data is still shown. */
  loading: boolean;
  reload: () => void;
  /** Put in what a change answered, without another call. */
  put: (data: T) => void;
}

/**
 * Load something when `deps` change, and every `every` seconds while the page is visible.
 * An answer that arrives after the next call was made is dropped. Older data stays until the new is there,
 * except when `deps` change.
 */
export function useResource<T>(
  load: (signal: AbortSignal) => Promise<T>,
  deps: readonly unknown[],
  { every }: { every?: number } = {},
): Resource<T> {
  const [shown, setShown] = useState<{ key: string; data?: T; error?: ApiError; loading: boolean }>({
    key: "",
    loading: true,
  });
  const key = JSON.stringify(deps);
  const running = useRef<AbortController | null>(null);
  const latest = useRef(load);
  latest.current = load;

  const reload = useCallback(() => {
    running.current?.abort();
    const controller = new AbortController();
    running.current = controller;
    setShown((old) => (old.key === key ? { ...old, loading: true } : { key, loading: true }));
    latest.current(controller.signal).then(
      (data) => !controller.signal.aborted && setShown({ key, data, loading: false }),
      (error: ApiError) => !controller.signal.aborted && setShown((old) => ({ ...old, key, error, loading: false })),
    );
  }, [key]);

  useEffect(() => {
    reload();
    const timer = every ? window.setInterval(() => document.hidden || reload(), every * 1000) : 0;
    return () => {
      clearInterval(timer);
      running.current?.abort();
    };
  }, [reload, every]);

  const put = useCallback((data: T) => setShown({ key, data, loading: false }), [key]);
  const fresh = shown.key === key;
  return {
    data: fresh ? shown.data : undefined,
    error: fresh ? shown.error : undefined,
    loading: !fresh || shown.loading,
    reload,
    put,
  };
}
