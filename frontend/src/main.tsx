// Where the pages begin: styles, configuration, and the root.
import { render } from "preact";
import { App } from "./app";
import { loadConfig } from "./state/config";
import { bearWitness } from "./state/witness";
import "./state/theme";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/components.css";
import "./styles/forms.css";
import "./styles/shell.css";

const root = document.getElementById("app");
if (root) {
  void loadConfig();
  render(<App />, root);
  void bearWitness();
}
