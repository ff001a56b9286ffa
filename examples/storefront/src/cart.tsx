/** The cart of the viewer, and its changes. */
import { useQuery } from "urql";
import { useAction, useAnnounce } from "./actions";
import { CartPayloadFragment, CartQuery, graphql, type List } from "./graphql";
import { useTexts } from "./texts";

const AddMutation = graphql(
  `mutation CartAdd($lines: [CartLineInput!]!) { cartLinesAdd(lines: $lines) { ...CartPayload } }`,
  [CartPayloadFragment],
);
const UpdateMutation = graphql(
  `mutation CartUpdate($lines: [CartLineUpdateInput!]!) { cartLinesUpdate(lines: $lines) { ...CartPayload } }`,
  [CartPayloadFragment],
);
type Product = { id: string; name: string };

/** Return the cart and the functions that change it. Their refusals are announced. */
export function useCart() {
  const texts = useTexts();
  const announce = useAnnounce();
  const [{ data, error }, refetch] = useQuery({ query: CartQuery });
  const adding = useAction(AddMutation);
  const updating = useAction(UpdateMutation);

  async function add(product: Product, recommendedBy?: List) {
    const { errors } = await adding.run({ lines: [{ productId: product.id, quantity: 1, recommendedBy }] });
    announce(errors[0]?.message ?? texts.added(product.name));
  }
  /** Set a quantity. 0 removes the product. */
  async function update(product: Product, quantity: number) {
    const { errors } = await updating.run({ lines: [{ productId: product.id, quantity }] });
    announce(errors[0]?.message ?? (quantity === 0 ? texts.removed(product.name) : ""));
  }

  return { cart: data?.cart, error, refetch, add, update, isBusy: adding.isRunning || updating.isRunning };
}
