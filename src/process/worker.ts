// The entry of a worker thread, which supervisor.ts starts.

import { serve } from "./serve.ts";
import { whenStarted } from "./worker-port.ts";

whenStarted(serve);
