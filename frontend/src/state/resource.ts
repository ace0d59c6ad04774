// Loading something for a page: the data, the trouble, a way to try again, and refreshing while somebody looks.
// Invariants: an answer that was overtaken is dropped; a refresh that fails keeps the last good data on screen.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { asProblem, type Problem } from "../api/problem";

export interface Resource<D> {
  data: D | null;
  problem: Problem | null;
  loading: boolean;
  reload: () => void;
  /** Puts newer data in place, such as the answer to a change. */
  replace: (data: D) => void;
}

export interface ResourceOptions {
  /** Milliseconds between refreshes while the page is visible. */
  every?: number;
  /** Something cheap whose answer changes when the data has: then only a change is loaded (each load is an audit entry). */
  probe?: (signal: AbortSignal) => Promise<string>;
}

export function useResource<D>(
  load: (signal: AbortSignal) => Promise<D>,
  dependencies: readonly unknown[],
  options: ResourceOptions = {},
): Resource<D> {
  const [state, setState] = useState<{ data: D | null; problem: Problem | null; loading: boolean }>({
    data: null,
    problem: null,
    loading: true,
  });
  const running = useRef<AbortController | null>(null);
  const latestLoad = useRef(load);
  latestLoad.current = load;

  const run = useCallback((quiet: boolean): void => {
    running.current?.abort();
    const controller = new AbortController();
    running.current = controller;
    if (!quiet) setState((old) => ({ ...old, loading: true, problem: null }));
    latestLoad.current(controller.signal).then(
      (data) => {
        if (!controller.signal.aborted) setState({ data, problem: null, loading: false });
      },
      (error: unknown) => {
        if (controller.signal.aborted) return;
        setState((old) =>
          quiet && old.data !== null
            ? { ...old, loading: false }
            : { ...old, problem: asProblem(error), loading: false },
        );
      },
    );
  }, []);

  useEffect(() => {
    setState({ data: null, problem: null, loading: true });
    run(false);
    return () => running.current?.abort();
  }, dependencies);

  const { every } = options;
  const latestProbe = useRef(options.probe);
  latestProbe.current = options.probe;
  const seen = useRef<string | null>(null);
  useEffect(() => {
    if (!every) return;
    const probing = new AbortController();
    const refresh = (): void => {
      if (document.visibilityState === "visible") run(true);
    };
    const look = (): void => {
      const probe = latestProbe.current;
      if (!probe) return refresh();
      if (document.visibilityState !== "visible") return;
      probe(probing.signal).then(
        (now) => {
          if (probing.signal.aborted) return;
          if (seen.current !== null && seen.current !== now) refresh();
          seen.current = now;
        },
        () => undefined, // the next look will tell; what is on screen stays
      );
    };
    if (latestProbe.current) look();
    const timer = window.setInterval(look, every);
    document.addEventListener("visibilitychange", refresh);
    return () => {
      probing.abort();
      window.clearInterval(timer);
      document.removeEventListener("visibilitychange", refresh);
    };
  }, [every, run]);

  const reload = useCallback(() => run(false), [run]);
  const replace = useCallback((data: D) => {
    running.current?.abort();
    setState({ data, problem: null, loading: false });
  }, []);
  return { ...state, reload, replace };
}

/** For one action of a person: whether it runs, what went wrong, and never twice at once. */
export function useAction<A extends unknown[]>(
  act: (...input: A) => Promise<void>,
): { run: (...input: A) => Promise<void>; busy: boolean; problem: Problem | null; clear: () => void } {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  const active = useRef(false);
  const run = async (...input: A): Promise<void> => {
    if (active.current) return;
    active.current = true;
    setBusy(true);
    setProblem(null);
    try {
      await act(...input);
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      active.current = false;
      setBusy(false);
    }
  };
  return { run, busy, problem, clear: () => setProblem(null) };
}
