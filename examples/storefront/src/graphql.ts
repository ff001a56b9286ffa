/** The typed `graphql` function, and the fragments that several pages share. */
import { initGraphQLTada, type VariablesOf } from "gql.tada";
import type { introspection } from "./schema";

export const graphql = initGraphQLTada<{
  introspection: introspection;
  // Money is a string, such as "28.99", so that no digit is lost.
  scalars: { Decimal: string; DateTime: string };
  // Without masking, a payload has the same type as the query that it updates.
  disableMasking: true;
}>();
export type { ResultOf, VariablesOf } from "gql.tada";
export const TileFragment = graphql(`
  fragment Tile on Product {
    id databaseId slug name price compareAtPrice currency isNew inStock image { url alt width height srcset }
  }
`);
export const CartFragment = graphql(
  `
    fragment Cart on Cart {
      id token totalQuantity subtotal discount total currency promoCode warnings { code message productId }
      lines { id quantity unitPrice lineTotal discount isAvailable product { ...Tile } }
    }
  `,
  [TileFragment],
);
export const CartPayloadFragment = graphql(
  `fragment CartPayload on CartPayload { cart { ...Cart } errors { code message field } }`,
  [CartFragment],
);
export const CartQuery = graphql(`query Cart { cart { ...Cart } }`, [CartFragment]);
export const OrderFragment = graphql(`
  fragment Order on Order {
    id number status placedAt isCancellable subtotal discount total currency promoCode trackingNumber trackingUrl
    comment contact { name phone } deliveryAddress { line1 line2 city postalCode country }
    lines { id name sku quantity cancelledQuantity unitPrice lineTotal product { id slug } }
    history { status changedAt }
  }
`);
export const AddressFragment = graphql(`
  fragment SavedAddress on SavedAddress {
    id label isDefault contact { name phone phoneAsTyped } deliveryAddress { line1 line2 city postalCode country }
  }
`);
export const AddressPayloadFragment = graphql(
  `fragment AddressPayload on AddressPayload { address { ...SavedAddress } errors { code message field } }`,
  [AddressFragment],
);
export const ClickMutation = graphql(`
  mutation Click($list: RecommendationList!) { recommendationClick(recommendedBy: $list) }
`);
/** The list of recommendations that a product was found in. */
export type List = VariablesOf<typeof ClickMutation>["list"];
export const MeQuery = graphql(`query Me { me { id email name language } }`);

/** A reason why a change was refused. */
export type UserError = { code: string; message: string; field: string[] | null };
