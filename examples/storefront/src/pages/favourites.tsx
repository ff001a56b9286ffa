import { Failure, Loading, PageHeading, ProductTile } from "../parts";
import { useIsLoggedIn } from "../store";
import { useTexts } from "../texts";
import { useWishlist } from "../wishlist";

export function FavouritesPage() {
  const texts = useTexts();
  const isLoggedIn = useIsLoggedIn();
  const { items, error, fetching, refetch, add } = useWishlist();
  return (
    <>
      <PageHeading>{texts.favourites}</PageHeading>
      {error && <Failure error={error} retry={() => refetch({ requestPolicy: "network-only" })} />}
      {fetching && <Loading />}
      {!fetching && !error && !items.length && <p>{texts.noFavourites}</p>}
      <ul className="grid">
        {items.map(({ product }) => (
          <ProductTile key={product.id} product={product} />
        ))}
      </ul>
      {isLoggedIn && items.some(({ product }) => !product.inStock) && (
        <ul className="plain">
          {items
            .filter(({ product }) => !product.inStock)
            .map(({ product, notify }) => (
              <li key={product.id}>
                {product.name}:{" "}
                {notify ? (
                  texts.notified
                ) : (
                  <button type="button" onClick={() => add(product, true)}>
                    {texts.notify}
                  </button>
                )}
              </li>
            ))}
        </ul>
      )}
    </>
  );
}
