import { ConfirmHost } from "./components/confirm";
import { ErrorBox, Loading } from "./components/feedback";
import { ToastHost } from "./components/toast";
import { lazy } from "./lazy";
import { route } from "./router";
import { NotFound } from "./screens/not_found";
import { OverviewScreen } from "./screens/overview";
import { QueueScreen } from "./screens/queue";
import { QueuesScreen } from "./screens/queues";
import { SignIn } from "./screens/sign_in";
import { loadSession, needsSignIn, session, sessionError } from "./session";
import { Shell } from "./shell/shell";

const Audit = lazy(() => import("./screens/audit"));
const Failures = lazy(() => import("./screens/failures"));
const Flow = lazy(() => import("./screens/flow"));
const Job = lazy(() => import("./screens/job"));
const Kubernetes = lazy(() => import("./screens/kubernetes"));
const Metrics = lazy(() => import("./screens/metrics"));
const Redis = lazy(() => import("./screens/redis"));
const Schedules = lazy(() => import("./screens/schedules"));
const Workers = lazy(() => import("./screens/workers"));

export function App() {
  return (
    <>
      <Main />
      <ConfirmHost />
      <ToastHost />
    </>
  );
}

function Main() {
  if (needsSignIn.value) return <SignIn />;
  if (sessionError.value) {
    return (
      <main class="alone">
        <ErrorBox error={sessionError.value} retry={() => void loadSession()} />
      </main>
    );
  }
  if (!session.value)
    return (
      <main class="alone">
        <Loading />
      </main>
    );
  return (
    <Shell>
      <Screen />
    </Shell>
  );
}

function Screen() {
  const shown = route.value;
  switch (shown.screen) {
    case "overview":
      return <OverviewScreen />;
    case "queues":
      return <QueuesScreen />;
    case "queue":
      return <QueueScreen key={shown.queue} queue={shown.queue} tab={shown.tab} />;
    case "job":
      return <Job key={`${shown.queue}:${shown.id}`} queue={shown.queue} id={shown.id} />;
    case "flow":
      return <Flow key={`${shown.queue}:${shown.id}`} queue={shown.queue} id={shown.id} />;
    case "failures":
      return <Failures />;
    case "schedules":
      return <Schedules />;
    case "workers":
      return <Workers />;
    case "metrics":
      return <Metrics />;
    case "kubernetes":
      return <Kubernetes />;
    case "redis":
      return <Redis />;
    case "audit":
      return <Audit />;
    case "not-found":
      return <NotFound />;
  }
}
