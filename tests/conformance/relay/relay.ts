import relay, { type MutationParameters } from "relay-runtime";

import ADD_LINES, { type documentsAddLinesMutation } from "./__generated__/documentsAddLinesMutation.graphql.ts";
import CART, { type documentsCartQuery } from "./__generated__/documentsCartQuery.graphql.ts";
import PRODUCTS, { type documentsProductsQuery } from "./__generated__/documentsProductsQuery.graphql.ts";
import UPDATE_LINES, { type documentsUpdateLinesMutation } from "./__generated__/documentsUpdateLinesMutation.graphql.ts";
import { type Cart, fetchAsGuest, url, walk } from "../src/journey.ts";

const environment = new relay.Environment({
  network: relay.Network.create(async ({ text }, variables) => {
    const response = await fetchAsGuest(url, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ query: text, variables }),
    });
    return response.json();
  }),
  store: new relay.Store(new relay.RecordSource()),
});

function mutate<M extends MutationParameters>(
  mutation: relay.GraphQLTaggedNode,
  variables: M["variables"],
): Promise<M["response"]> {
  return new Promise((resolve, reject) =>
    relay.commitMutation<M>(environment, { mutation, variables, onCompleted: resolve, onError: reject }),
  );
}

async function fetchCart(): Promise<Cart> {
  const data = await relay.fetchQuery<documentsCartQuery>(environment, CART, {}).toPromise();
  return data!.cart;
}

await walk({
  async products(after) {
    const variables = { after, sortBy: "NAME" } as const;
    const data = await relay.fetchQuery<documentsProductsQuery>(environment, PRODUCTS, variables).toPromise();
    return data!.products;
  },
  async watchCart(onChange) {
    const operation = relay.createOperationDescriptor(CART, {});
    environment.retain(operation);
    onChange(await fetchCart());
    const snapshot = environment.lookup(operation.fragment);
    environment.subscribe(snapshot, ({ data }) => onChange((data as documentsCartQuery["response"]).cart));
  },
  fetchCart,
  async addLines(variables) {
    return (await mutate<documentsAddLinesMutation>(ADD_LINES, variables)).cartLinesAdd;
  },
  async updateLines(variables) {
    return (await mutate<documentsUpdateLinesMutation>(UPDATE_LINES, variables)).cartLinesUpdate;
  },
});
