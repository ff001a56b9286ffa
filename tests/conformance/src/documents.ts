import { graphql } from "./gql/index.ts";

export const PRODUCTS = graphql(`
  query Products($after: String, $sortBy: ProductSort!) {
    products(first: 40, after: $after, sortBy: $sortBy) {
      totalCount
      nodes { id name price }
      pageInfo { hasNextPage endCursor }
    }
  }
`);

export const CART = graphql(`
  query Cart {
    cart { id lines { id quantity product { id name } } totalQuantity total }
  }
`);

export const ADD_LINES = graphql(`
  mutation AddLines($lines: [CartLineInput!]!) {
    cartLinesAdd(lines: $lines) {
      cart { id lines { id quantity product { id name } } totalQuantity total token }
      errors { code message field }
    }
  }
`);

export const UPDATE_LINES = graphql(`
  mutation UpdateLines($lines: [CartLineUpdateInput!]!) {
    cartLinesUpdate(lines: $lines) {
      cart { id lines { id quantity product { id name } } totalQuantity total token }
      errors { code message field }
    }
  }
`);
