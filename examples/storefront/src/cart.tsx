/** The cart of the viewer, and its changes. */
import { useQuery } from "urql";
import { CartFragment, CartQuery, graphql, type List } from "./graphql";
import { type Tile, useAction, useAnnounce } from "./parts";
import { useTexts } from "./texts";

const AddMutation = graphql(
  `
    mutation CartAdd($lines: [CartLineInput!]!) {
      cartLinesAdd(lines: $lines) { cart { ...Cart } errors { code message field } }
    }
  `,
  [CartFragment],
);
const UpdateMutation = graphql(
  `
    mutation CartUpdate($lines: [CartLineUpdateInput!]!) {
      cartLinesUpdate(lines: $lines) { cart { ...Cart } errors { code message field } }
    }
  `,
  [CartFragment],
);
const RemoveMutation = graphql(
  `
    mutation CartRemove($productIds: [ID!]!) {
      cartLinesRemove(productIds: $productIds) { cart { ...Cart } errors { code message field } }
    }
  `,
  [CartFragment],
);

/** Return the cart and the functions that change it. Their refusals are announced. */
export function useCart() {
  const texts = useTexts();
  const announce = useAnnounce();
  const [{ data, error, fetching }, refetch] = useQuery({ query: CartQuery });
  const adding = useAction(AddMutation);
  const updating = useAction(UpdateMutation);
  const removing = useAction(RemoveMutation);

  async function add(product: Tile, recommendedBy?: List) {
    const { errors } = await adding.run({ lines: [{ productId: product.id, quantity: 1, recommendedBy }] });
    announce(errors[0]?.message ?? texts.added(product.name));
  }
  async function update(product: Tile, quantity: number) {
    const { errors } = await updating.run({ lines: [{ productId: product.id, quantity }] });
    if (errors[0]) announce(errors[0].message);
  }
  async function remove(product: Tile) {
    const { errors } = await removing.run({ productIds: [product.id] });
    announce(errors[0]?.message ?? texts.removed(product.name));
  }

  const isBusy = adding.isRunning || updating.isRunning || removing.isRunning;
  return { cart: data?.cart, error, fetching, refetch, add, update, remove, isBusy };
}
