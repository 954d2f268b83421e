/** What every page under the navigation has. */

import "../components/look.js";
