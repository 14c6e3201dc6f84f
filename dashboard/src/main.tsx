import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/components.css";
import "./styles/shell.css";
import "./preferences";
import { render } from "preact";
import { App } from "./app";
import { startKeyboard } from "./keyboard";
import { startRouter } from "./router";
import { loadSession } from "./session";

startRouter();
startKeyboard();
void loadSession();

const root = document.getElementById("app");
if (root) render(<App />, root);
