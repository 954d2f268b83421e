/** Sign-in: a plain form; this only says where to go on and what was wrong. */

import { explain } from "../core/api.js";
import { find } from "../core/dom.js";

const asked = new URLSearchParams(location.search);
find("input[name=next]", HTMLInputElement).value = asked.get("next") ?? "/";
const code = asked.get("error");
if (code) {
  const problem = find("#problem", HTMLElement);
  problem.textContent = explain(code, code);
  problem.hidden = false;
}
find("#token", HTMLInputElement).focus();
