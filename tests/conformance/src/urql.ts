import { cacheExchange as documentCache, Client, type Exchange, fetchExchange } from "@urql/core";
import { cacheExchange as graphcache } from "@urql/exchange-graphcache";

import { ADD_LINES, CART, PRODUCTS, UPDATE_LINES } from "./documents.ts";
import { fetchAsGuest, url, walk } from "./journey.ts";

async function walkWith(cache: Exchange, options?: { refetches: boolean }): Promise<void> {
  const urql = new Client({ url, fetch: fetchAsGuest, exchanges: [cache, fetchExchange], preferGetMethod: false });
  await walk(
    {
      async products(after) {
        const { data, error } = await urql.query(PRODUCTS, { after, sortBy: "NAME" });
        if (error) throw error;
        return data!.products;
      },
      watchCart(onChange) {
        urql.query(CART, {}).subscribe(({ data }) => data && onChange(data.cart));
      },
      async fetchCart() {
        const { data, error } = await urql.query(CART, {}, { requestPolicy: "network-only" });
        if (error) throw error;
        return data!.cart;
      },
      async addLines(variables) {
        const { data, error } = await urql.mutation(ADD_LINES, variables);
        if (error) throw error;
        return data!.cartLinesAdd;
      },
      async updateLines(variables) {
        const { data, error } = await urql.mutation(UPDATE_LINES, variables);
        if (error) throw error;
        return data!.cartLinesUpdate;
      },
    },
    options,
  );
}

await walkWith(graphcache());
// The default cache sends watched queries again after each mutation of a type that they hold.
await walkWith(documentCache, { refetches: true });
