/** The GraphQL client: normalised cache, silent refresh of the session, and the token of guests. */
import { Client, type CombinedError, fetchExchange, getOperationName, mapExchange, type Operation } from "@urql/core";
import { authExchange, type AuthUtilities } from "@urql/exchange-auth";
import { type Cache, cacheExchange } from "@urql/exchange-graphcache";
import { relayPagination } from "@urql/exchange-graphcache/extras";
import { graphql } from "./graphql";
import { cartToken, getLanguage, session } from "./store";

const RefreshMutation = graphql(`
  mutation Refresh($input: RefreshInput!) {
    tokenRefresh(input: $input) { accessToken refreshToken expiresIn errors { code } }
  }
`);
// Types without an id, which are part of the object that has them.
const embedded = (
  "Address BrandFacet CartWarning CategoryFacet Characteristic CharacteristicFacet Contact FacetValue Facets " +
  "Image OrderConnection OrderStatusChange PageInfo ProductConnection WishlistItemConnection"
).split(" ");

// Refresh this long before the access token expires, since clocks and networks are slow.
const MARGIN_MS = 10_000;
// Longer than the shop may take, also on a slow network.
const TIMEOUT_MS = 15_000;

/** Whether the access token can still be sent. */
function isFresh(): boolean {
  const current = session.get();
  return current !== null && current.expiresAt > Date.now() + MARGIN_MS;
}

type Tokens = { accessToken: string | null; refreshToken: string | null; expiresIn: number | null };

/** Store the tokens of a payload, if it has them. */
export function saveSession(payload: Tokens | null | undefined): boolean {
  if (!payload?.accessToken || !payload.refreshToken || !payload.expiresIn) return false;
  const { accessToken, refreshToken, expiresIn } = payload;
  session.set({ accessToken, refreshToken, expiresAt: Date.now() + expiresIn * 1000 });
  return true;
}

async function refresh({ mutate }: AuthUtilities): Promise<void> {
  const current = session.get();
  // Another tab may have refreshed while this one waited for the lock.
  if (isFresh()) return;
  if (!current) throw new Error("The session has ended.");
  const { data, error } = await mutate(RefreshMutation, { input: { refreshToken: current.refreshToken } });
  const tokens = data?.tokenRefresh;
  if (saveSession(tokens)) return;
  // Only this ends the session. After an outage or a rate limit, the same tokens work again.
  const isOver = tokens?.errors.some(({ code }) => code === "TOKEN_INVALID") || hasCode(error, "TOKEN_INVALID");
  if (isOver) session.set(null);
  // The waiting requests fail, instead of being sent as those of a guest.
  throw error ?? new Error("The session could not be refreshed.");
}

/** Whether the shop has returned an error with one of the codes. */
export function hasCode(error: CombinedError | undefined, ...codes: string[]): boolean {
  return !!error?.graphQLErrors.some(({ extensions }) => codes.includes(String(extensions.code)));
}

/** Store the token that a guest's first line or first wish returns, once, before the cache can ask again. */
function storeCartToken(data: Record<string, unknown> | undefined): void {
  for (const value of Object.values(data ?? {}) as ({ token?: unknown; cart?: unknown; wishlist?: unknown } | null)[]) {
    const owner = (value?.cart ?? value?.wishlist ?? value) as { __typename?: string; token?: unknown } | null;
    if (["Cart", "Wishlist"].includes(owner?.__typename ?? "") && typeof owner?.token === "string") {
      cartToken.set(owner.token);
    }
  }
}

function refetchMine(_result: unknown, _args: unknown, cache: Cache): void {
  for (const field of ["cart", "me"]) cache.invalidate("Query", field);
}

/** Forget the pages of the wishlist after the first: a change moves products from one to another. */
function refetchWishes(_result: unknown, _args: unknown, cache: Cache): void {
  const wishlist = cache.resolve("Query", "wishlist") as string | null;
  for (const { fieldName, arguments: page } of wishlist ? cache.inspectFields(wishlist) : []) {
    if (fieldName === "items" && page?.after) cache.invalidate(wishlist!, fieldName, page);
  }
}

// The shop answers these from its cache, but never a request with a token.
const publicQueries = "Branch Brand Category Facets Home Product ProductPage Suggestions".split(" ");
const isPublic = ({ query }: Operation): boolean => publicQueries.includes(getOperationName(query) ?? "");

/** Create a client with an empty cache, for a guest or for an account: their carts have different ids. */
export function createClient(isLoggedIn: boolean): Client {
  return new Client({
    url: "/graphql",
    preferGetMethod: "within-url-limit",
    fetch: (url, { signal, ...init } = {}) =>
      fetch(url, { ...init, signal: AbortSignal.any([signal!, AbortSignal.timeout(TIMEOUT_MS)]) }),
    fetchOptions: () => ({
      headers: { Accept: "application/graphql-response+json, application/json", "Accept-Language": getLanguage() },
    }),
    exchanges: [
      cacheExchange({
        keys: {
          ...Object.fromEntries(embedded.map((name) => [name, () => null])),
          WishlistItem: ({ product }) => (product as { id: string }).id,
        },
        resolvers: { Wishlist: { items: relayPagination() }, User: { orders: relayPagination() } },
        updates: {
          Mutation: {
            orderCreate: refetchMine,
            addressCreate: refetchMine,
            addressDelete: refetchMine,
            addressSetDefault: refetchMine,
            wishlistAdd: refetchWishes,
            wishlistRemove: refetchWishes,
          },
        },
      }),
      authExchange(async (utilities) => ({
        addAuthToOperation(operation) {
          if (isPublic(operation)) return operation;
          return utilities.appendHeaders(operation, {
            ...(isFresh() && { Authorization: `Bearer ${session.get()!.accessToken}` }),
            ...(cartToken.get() && { "X-Cart-Token": cartToken.get()! }),
          });
        },
        willAuthError: (operation) => isLoggedIn && !isFresh() && !isPublic(operation),
        didAuthError: (error) => session.get() !== null && hasCode(error, "TOKEN_EXPIRED", "TOKEN_INVALID"),
        async refreshAuth() {
          const current = session.get();
          // A token that the shop refused is as good as expired.
          if (current && isFresh()) session.set({ ...current, expiresAt: 0 });
          // Tabs refresh one after the other. Browsers have no locks on http:// pages of other hosts.
          if (navigator.locks) await navigator.locks.request("lavka.refresh", () => refresh(utilities));
          else await refresh(utilities);
        },
      })),
      // Below the cache, which repeats queries before the result of a mutation reaches the page.
      mapExchange({
        onResult({ data, error }) {
          // The shop says so about a token that it cannot have returned.
          if (error?.graphQLErrors.some(({ message }) => message.includes("X-Cart-Token"))) cartToken.set(null);
          storeCartToken(data as Record<string, unknown> | undefined);
        },
      }),
      fetchExchange,
    ],
  });
}
