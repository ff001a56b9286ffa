import { ApolloClient, HttpLink, InMemoryCache } from "@apollo/client";

import { ADD_LINES, CART, PRODUCTS, UPDATE_LINES } from "./documents.ts";
import { fetchAsGuest, url, walk } from "./journey.ts";

const apollo = new ApolloClient({
  link: new HttpLink({ uri: url, fetch: fetchAsGuest }),
  cache: new InMemoryCache(),
});

await walk({
  async products(after) {
    const { data } = await apollo.query({ query: PRODUCTS, variables: { after, sortBy: "NAME" } });
    return data!.products;
  },
  watchCart(onChange) {
    apollo.watchQuery({ query: CART }).subscribe(({ data, dataState }) => {
      if (dataState === "complete") onChange(data.cart);
    });
  },
  async fetchCart() {
    const { data } = await apollo.query({ query: CART, fetchPolicy: "no-cache" });
    return data!.cart;
  },
  async addLines(variables) {
    const { data } = await apollo.mutate({ mutation: ADD_LINES, variables });
    return data!.cartLinesAdd;
  },
  async updateLines(variables) {
    const { data } = await apollo.mutate({ mutation: UPDATE_LINES, variables });
    return data!.cartLinesUpdate;
  },
});
apollo.stop();
