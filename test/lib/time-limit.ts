// One time limit for every test: a test that hangs fails, and a test on a slow machine does not.

import { setDefaultTimeout } from "bun:test";

setDefaultTimeout(120_000);
