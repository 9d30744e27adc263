// The session of a dispatcher before its first command.

import { NO_SUBSCRIPTIONS } from "../clients.ts";
import type { Session } from "./context.ts";

export const NO_SESSION: Session = {
  id: 0,
  access: "open",
  row: -1,
  address: "",
  localAddress: "",
  version: 2,
  flags: "N",
  subscriptions: NO_SUBSCRIPTIONS,
  redirect: -1,
  subscriber: undefined,
  libName: "",
  libVersion: "",
  name: "",
  replies: "on",
  isClosing: false,
  database: 0,
  transaction: undefined,
  watched: undefined,
};
