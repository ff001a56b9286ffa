/** Mutations with their errors, and announcements of what they have changed. */
import { createContext, use, useMemo } from "react";
import { type AnyVariables, type CombinedError, type TypedDocumentNode, useMutation } from "urql";
import type { UserError } from "./graphql";
import { lastChange } from "./store";
import { useTexts } from "./texts";

/** Announce a change to screen readers, and show it for a few seconds. */
export const AnnounceContext = createContext<(message: string) => void>(() => {});
export const useAnnounce = () => use(AnnounceContext);

/** What a form shows of a mutation. */
export type Action = { errors: readonly UserError[]; isRunning: boolean };
let last: Promise<unknown> = Promise.resolve();

/** A mutation with one payload: its errors, also those that kept it from running, and a function that sends it. */
export function useAction<Data extends object, Variables extends AnyVariables>(
  mutation: TypedDocumentNode<Data, Variables>,
) {
  const { offline } = useTexts();
  const announce = useAnnounce();
  const [{ data, error, fetching }, send] = useMutation(mutation);
  const errors = useMemo(() => readPayload(data, error, offline).errors, [data, error, offline]);
  const run = async (variables: Variables) => {
    // One after the other, since a guest's first change returns the token that the next one has to send.
    const sent = last.then(() => send(variables));
    last = sent;
    const result = await sent;
    const outcome = readPayload(result.data, result.error, offline);
    // An error is not shown beside the announcement of an earlier success.
    if (outcome.errors.length) announce("");
    else lastChange.set(Date.now());
    return outcome;
  };
  return { errors, run, isRunning: fetching };
}

/** Return the errors of the only payload and, if there are none, the payload. */
function readPayload<Data extends object>(data: Data | undefined, error: CombinedError | undefined, offline: string) {
  const payload = (Object.values(data ?? {}).find((value) => typeof value === "object") ?? null) as
    Data[keyof Data] | null;
  const message = error?.networkError ? offline : (error?.graphQLErrors[0]?.message ?? error?.message);
  const errors: readonly UserError[] = message
    ? [{ code: "INTERNAL", message, field: null }]
    : ((payload as { errors: UserError[] } | null)?.errors ?? []);
  return { errors, payload: errors.length ? null : payload };
}
