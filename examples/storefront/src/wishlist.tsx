/** The wishlist of the viewer, and the heart that adds a product to it. */
import { useState } from "react";
import { useQuery } from "urql";
import { useAction, useAnnounce } from "./actions";
import { graphql, TileFragment } from "./graphql";
import { Icon } from "./icon";
import { useTexts } from "./texts";

const WishlistFragment = graphql(
  `
    fragment Wishlist on Wishlist {
      id token totalCount
      items(first: 100, after: $after) { nodes { notify product { ...Tile } } pageInfo { hasNextPage endCursor } }
    }
  `,
  [TileFragment],
);
const WishlistQuery = graphql(`query Wishlist($after: String) { wishlist { ...Wishlist } }`, [WishlistFragment]);
const PayloadFragment = graphql(
  `fragment WishlistPayload on WishlistPayload { wishlist { ...Wishlist } errors { code message field } }`,
  [WishlistFragment],
);
const AddMutation = graphql(
  `
    mutation WishlistAdd($productId: ID!, $notify: Boolean, $after: String) {
      wishlistAdd(productId: $productId, notify: $notify) { ...WishlistPayload }
    }
  `,
  [PayloadFragment],
);
const RemoveMutation = graphql(
  `mutation WishlistRemove($id: ID!, $after: String) { wishlistRemove(productId: $id) { ...WishlistPayload } }`,
  [PayloadFragment],
);
type Product = { id: string; name: string };

/** Return what has been read of the wishlist, all pages together, and the functions that change it. */
export function useWishlist() {
  const texts = useTexts();
  const announce = useAnnounce();
  const [{ data, error }, refetch] = useQuery({ query: WishlistQuery });
  const adding = useAction(AddMutation);
  const removing = useAction(RemoveMutation);
  const items = data?.wishlist.items.nodes;
  const find = (product: Product) => items?.find((item) => item.product.id === product.id);

  async function add(product: Product, notify?: boolean) {
    const { errors } = await adding.run({ productId: product.id, notify });
    if (errors[0] || notify) announce(errors[0]?.message ?? texts.notified);
  }
  async function remove(product: Product) {
    const { errors } = await removing.run({ id: product.id });
    if (errors[0]) announce(errors[0].message);
  }

  return { items, total: data?.wishlist.totalCount, error, refetch, find, add, remove };
}

/** Read the wishlist page by page, since each heart has to know all of it. The cache joins the pages. */
export function AllWishes() {
  const [after, setAfter] = useState<string | null>(null);
  const [{ data }] = useQuery({ query: WishlistQuery, variables: { after } });
  const { hasNextPage, endCursor } = data?.wishlist.items.pageInfo ?? {};
  if (hasNextPage && endCursor && endCursor !== after) setAfter(endCursor);
  return null;
}

export function WishButton({ product }: { product: Product }) {
  const texts = useTexts();
  const { find, add, remove } = useWishlist();
  const isWished = !!find(product);
  return (
    <button
      type="button"
      className={isWished ? "heart heart-full" : "heart"}
      aria-label={`${isWished ? texts.fromFavourites : texts.toFavourites}: ${product.name}`}
      onClick={() => (isWished ? remove(product) : add(product))}>
      <Icon name="heart" />
    </button>
  );
}
