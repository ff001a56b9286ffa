// Sets GraphiQL up for this shop: the endpoint, the example tabs, the hints in the Headers tab.
import { mount } from "./vendor/graphiql.js";

const HEADERS = `{
  // Signed in: the accessToken of tokenCreate
  // "Authorization": "Bearer …",

  // A guest's cart: cart { token }
  // "X-Cart-Token": "…"
}
`;

const BROWSE = `# A page of a category and of everything below it, cheapest first, and what it can be narrowed by.
# totalCount and facets cost nothing unless they are asked for.
query Browse($category: String!, $price: PriceRange) {
  products(categorySlug: $category, filter: { price: $price }, sortBy: PRICE_ASC, first: 5) {
    totalCount
    nodes {
      name
      slug
      price
      currency
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
`;

const EXAMPLES = [{ query: BROWSE, variables: { category: "kuhnya", price: { min: "10", max: "5000" } } }];

/** Send one operation to the address of this very page. */
async function fetcher(operation, { headers } = {}) {
  const response = await fetch(location.pathname, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json", ...headers },
    body: JSON.stringify(operation),
  });
  if (!response.headers.get("Content-Type")?.includes("json")) {
    throw new Error(`The server answered ${response.status} ${response.statusText}, and not with JSON.`);
  }
  return response.json();
}

mount(document.getElementById("graphiql"), {
  name: "Lavka GraphQL",
  fetcher,
  defaultHeaders: HEADERS,
  defaultTabs: EXAMPLES.map(({ query, variables }) => ({
    query,
    variables: variables && JSON.stringify(variables, null, 2),
    headers: HEADERS,
  })),
});
