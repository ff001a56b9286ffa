import { Empty, Heading, ProductTile, Waiting } from "../parts";
import { useTexts } from "../texts";
import { useWishlist } from "../wishlist";

export function FavouritesPage() {
  const texts = useTexts();
  const { items, error, refetch } = useWishlist();
  if (!items) return <Waiting error={error} refetch={refetch} />;
  if (!items.length) return <Empty title={texts.favourites}>{texts.noFavourites}</Empty>;
  return (
    <>
      <Heading>{texts.favourites}</Heading>
      <ul className="grid">
        {items.map(({ product }) => (
          <ProductTile key={product.id} product={product} />
        ))}
      </ul>
    </>
  );
}
