import { LogIn } from "lucide";
import { useState } from "preact/hooks";
import { Button } from "../components/button";
import { Field, TextInput } from "../components/form";
import { Logo } from "../shell/logo";
import { signIn } from "../session";

export function SignIn() {
  const [token, setToken] = useState("");
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);
  const submit = async () => {
    setBusy(true);
    try {
      await signIn(token.trim());
    } catch (problem) {
      setError((problem as Error).message);
    }
    setBusy(false);
  };
  return (
    <main class="alone">
      <form
        class="card sign-in stack"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <div class="row">
          <Logo />
          <h1>Sign in to oxmq</h1>
        </div>
        <Field label="Access token" error={error} hint="It is kept in a cookie of this browser until you sign out.">
          <TextInput
            type="password"
            autocomplete="current-password"
            value={token}
            onInput={setToken}
            autofocus
            required
          />
        </Field>
        <Button kind="primary" type="submit" icon={LogIn} busy={busy} disabled={token.trim() === ""}>
          Sign in
        </Button>
      </form>
    </main>
  );
}
