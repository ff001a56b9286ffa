/** Page the products, and add, update and read the cart, through the client that a script sets up. */

import assert from "node:assert/strict";

export interface Cart {
  readonly id: string;
  readonly lines: readonly { readonly quantity: number; readonly product: { readonly id: string } }[];
  readonly totalQuantity: number;
  readonly total: string;
}

export interface Page {
  readonly totalCount: number;
  readonly nodes: readonly { readonly id: string; readonly name: string; readonly price: string }[];
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor?: string | null };
}

interface Payload {
  readonly cart?: (Cart & { readonly token?: string | null }) | null;
  readonly errors: readonly { readonly message: string }[];
}

export interface Lines {
  lines: { productId: string; quantity: number }[];
}

export interface Client {
  products(after: string | null): Promise<Page>;
  /** Call `onChange` with the cart of the client's store, now and after each change. */
  watchCart(onChange: (cart: Cart) => void): void;
  /** Fetch the cart from the shop, whatever the client has stored. */
  fetchCart(): Promise<Cart>;
  addLines(variables: Lines): Promise<Payload | null | undefined>;
  updateLines(variables: Lines): Promise<Payload | null | undefined>;
}

export const url = `${process.env.SHOP_URL}/graphql`;

let cartToken: string | null = null;
let requests = 0;

/**
 * Fetch with the cart's token, and store it when a response has one. Caches that send queries again after a
 * mutation do so before the mutation returns, so the token is stored here.
 */
export const fetchAsGuest: typeof fetch = async (input, init) => {
  requests++;
  const headers = new Headers(init?.headers);
  if (cartToken) headers.set("X-Cart-Token", cartToken);
  const response = await fetch(input, { ...init, headers });
  const { data } = (await response.clone().json()) as { data?: Record<string, Partial<Payload>> };
  for (const payload of Object.values(data ?? {})) cartToken = payload?.cart?.token ?? cartToken;
  return response;
};

/**
 * Walk through the shop and exit with an error unless everything is as expected.
 *
 * @param refetches whether the client updates a watched query by sending it again.
 */
export async function walk(client: Client, { refetches = false } = {}): Promise<void> {
  cartToken = null;

  const ids = new Set<string>();
  let page: Page;
  let after: string | null = null;
  let pages = 0;
  do {
    page = await client.products(after);
    after = page.pageInfo.endCursor ?? null;
    pages++;
    for (const node of page.nodes) ids.add(node.id);
  } while (page.pageInfo.hasNextPage);
  assert.ok(pages > 2, "the sample catalogue has several pages");
  assert.equal(ids.size, page.totalCount, "every product is on one page");

  let watched: Cart | undefined;
  client.watchCart((cart) => (watched = cart));
  const shows = async (quantities: number[]): Promise<Cart> => {
    const deadline = Date.now() + 5000;
    const isShown = () => JSON.stringify(watched?.lines.map((line) => line.quantity)) === JSON.stringify(quantities);
    while (!isShown() && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.deepEqual(watched?.lines.map((line) => line.quantity), quantities);
    return watched!;
  };
  const empty = await shows([]);

  let changes = 0;
  const [first, second] = page.nodes.map((node) => node.id) as [string, string];
  const change = async (mutate: () => Promise<Payload | null | undefined>, quantities: number[]): Promise<void> => {
    const before = requests;
    const payload = await mutate();
    assert.deepEqual(payload?.errors, []);
    const cart = await shows(quantities);
    assert.equal(cart.id, empty.id, "the cart keeps its id");
    assert.equal(cart.total, payload?.cart?.total);
    changes++;
    if (!refetches) assert.equal(requests, before + 1, "the watched cart changes without another request");
  };
  await change(() => client.addLines({ lines: [{ productId: first, quantity: 2 }] }), [2]);
  await change(() => client.addLines({ lines: [{ productId: second, quantity: 1 }] }), [2, 1]);
  await change(() => client.updateLines({ lines: [{ productId: first, quantity: 3 }] }), [3, 1]);
  assert.deepEqual(await client.fetchCart(), await shows([3, 1]));
  await change(() => client.updateLines({ lines: [{ productId: first, quantity: 0 }, { productId: second, quantity: 0 }] }), []);

  console.log(`${pages} pages, ${ids.size} products, ${changes} changes of a watched cart`);
}
