/** Documents for relay-compiler. Relay's plugin for Babel replaces them with the compiled artifacts. */

import { graphql } from "relay-runtime";

export const documents = [
  graphql`
    query documentsProductsQuery($after: String, $sortBy: ProductSort!) {
      products(first: 40, after: $after, sortBy: $sortBy) {
        totalCount
        nodes { id name price }
        pageInfo { hasNextPage endCursor }
      }
    }
  `,
  graphql`
    query documentsCartQuery {
      cart { id lines { id quantity product { id name } } totalQuantity total }
    }
  `,
  graphql`
    mutation documentsAddLinesMutation($lines: [CartLineInput!]!) {
      cartLinesAdd(lines: $lines) {
        cart { id lines { id quantity product { id name } } totalQuantity total token }
        errors { code message field }
      }
    }
  `,
  graphql`
    mutation documentsUpdateLinesMutation($lines: [CartLineUpdateInput!]!) {
      cartLinesUpdate(lines: $lines) {
        cart { id lines { id quantity product { id name } } totalQuantity total token }
        errors { code message field }
      }
    }
  `,
  graphql`
    fragment documentsSimilar_product on Product @refetchable(queryName: "documentsSimilarQuery") {
      price
      createdAt
      similar(first: 5) { id name }
    }
  `,
  graphql`
    query documentsCategoryQuery($id: ID!) {
      category(id: $id) { id name children { id name } }
    }
  `,
];
