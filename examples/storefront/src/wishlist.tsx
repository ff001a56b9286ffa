/** The wishlist of the viewer, and the heart that adds a product to it. */
import { useQuery } from "urql";
import { graphql, WishlistFragment, WishlistQuery } from "./graphql";
import { type Tile, useAction, useAnnounce } from "./parts";
import { useTexts } from "./texts";

const AddMutation = graphql(
  `
    mutation WishlistAdd($productId: ID!, $notify: Boolean) {
      wishlistAdd(productId: $productId, notify: $notify) { wishlist { ...Wishlist } errors { code message field } }
    }
  `,
  [WishlistFragment],
);
const RemoveMutation = graphql(
  `
    mutation WishlistRemove($productId: ID!) {
      wishlistRemove(productId: $productId) { wishlist { ...Wishlist } errors { code message field } }
    }
  `,
  [WishlistFragment],
);

export function useWishlist() {
  const texts = useTexts();
  const announce = useAnnounce();
  const [{ data, error, fetching }, refetch] = useQuery({ query: WishlistQuery });
  const adding = useAction(AddMutation);
  const removing = useAction(RemoveMutation);
  const items = data?.wishlist.items.nodes ?? [];
  const find = (product: { id: string }) => items.find((item) => item.product.id === product.id);

  async function add(product: { id: string }, notify?: boolean) {
    const { errors } = await adding.run({ productId: product.id, notify });
    if (errors[0] || notify) announce(errors[0]?.message ?? texts.notified);
  }
  async function remove(product: { id: string }) {
    const { errors } = await removing.run({ productId: product.id });
    if (errors[0]) announce(errors[0].message);
  }

  return { items, total: data?.wishlist.totalCount, error, fetching, refetch, find, add, remove };
}

export function WishButton({ product }: { product: Tile }) {
  const texts = useTexts();
  const { find, add, remove } = useWishlist();
  const isWished = !!find(product);
  return (
    <button
      type="button"
      className={isWished ? "heart heart-full" : "heart"}
      aria-label={isWished ? texts.fromFavourites(product.name) : texts.toFavourites(product.name)}
      onClick={() => (isWished ? remove(product) : add(product))}>
      <svg viewBox="0 0 24 24" aria-hidden="true">
        <path d="M12 20.5 4.6 13a5 5 0 0 1 7.1-7l.3.3.3-.3a5 5 0 0 1 7.1 7z" />
      </svg>
    </button>
  );
}
