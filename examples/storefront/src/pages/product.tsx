import { useState } from "react";
import { Link, useLocation, useParams } from "react-router";
import { useQuery } from "urql";
import { useCart } from "../cart";
import { graphql, type List, type ResultOf, TileFragment } from "../graphql";
import { Breadcrumbs, Failure, Loading, PageHeading, Picture, Price, ProductRow } from "../parts";
import { useIsLoggedIn } from "../store";
import { useTexts } from "../texts";
import { useWishlist, WishButton } from "../wishlist";
import { NotFoundPage } from "./not-found";

const ProductQuery = graphql(
  `
    query Product($slug: String!) {
      product(slug: $slug) {
        ...Tile
        sku
        description
        availableQuantity
        brand { id name slug }
        category { id name slug ancestors { id name slug } }
        images { url alt width height srcset }
        characteristics { name value unit }
        similar(first: 8) { ...Tile }
        boughtTogether(first: 8) { ...Tile }
      }
    }
  `,
  [TileFragment],
);
type Product = NonNullable<ResultOf<typeof ProductQuery>["product"]>;

export function ProductPage() {
  const texts = useTexts();
  const { slug = "" } = useParams();
  const [{ data, error, fetching }, retry] = useQuery({ query: ProductQuery, variables: { slug } });
  if (error) return <Failure error={error} retry={() => retry({ requestPolicy: "network-only" })} />;
  if (fetching || !data) return <Loading />;
  const { product } = data;
  if (!product) return <NotFoundPage />;
  const { category } = product;
  return (
    <>
      <Breadcrumbs path={category ? [...category.ancestors, category] : []} />
      <article className="product">
        <Gallery key={`pictures ${product.id}`} product={product} />
        <div className="product-main">
          <PageHeading key={product.id}>{product.name}</PageHeading>
          {product.brand && (
            <p>
              <Link to={`/b/${product.brand.slug}`}>{product.brand.name}</Link>
            </p>
          )}
          <Price product={product} />
          <Purchase key={`purchase ${product.id}`} product={product} />
          {product.description && (
            <section aria-labelledby="description">
              <h2 id="description">{texts.description}</h2>
              <p className="prose">{product.description}</p>
            </section>
          )}
          <section aria-labelledby="characteristics">
            <h2 id="characteristics">{texts.characteristics}</h2>
            <dl className="characteristics">
              {product.characteristics.map(({ name, value, unit }) => (
                <div key={`${name} ${unit}`}>
                  <dt>{name}</dt>
                  <dd>
                    {value} {unit}
                  </dd>
                </div>
              ))}
              <div>
                <dt>{texts.sku}</dt>
                <dd>{product.sku}</dd>
              </div>
            </dl>
          </section>
        </div>
      </article>
      <ProductRow title={texts.boughtTogether} list="BOUGHT_TOGETHER" products={product.boughtTogether} />
      <ProductRow title={texts.similar} list="SIMILAR" products={product.similar} />
    </>
  );
}

function Gallery({ product: { images } }: { product: Product }) {
  const texts = useTexts();
  const [chosen, setChosen] = useState(0);
  return (
    <div className="gallery">
      <div className="gallery-main">
        <Picture image={images[chosen] ?? null} sizes="(max-width: 900px) 92vw, 560px" eager />
      </div>
      {images.length > 1 && (
        <ul>
          {images.map((image, index) => (
            <li key={image.url}>
              <button
                type="button"
                aria-pressed={index === chosen}
                aria-label={texts.picture(index + 1)}
                onClick={() => setChosen(index)}>
                <Picture image={{ ...image, alt: "" }} sizes="72px" />
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function Purchase({ product }: { product: Product }) {
  const texts = useTexts();
  const isLoggedIn = useIsLoggedIn();
  const { add, isBusy } = useCart();
  const list = (useLocation().state as { list?: List } | null)?.list;
  const wishlist = useWishlist();
  const isNotified = wishlist.find(product)?.notify;
  return (
    <>
      <p className={product.inStock ? "stock" : "stock stock-out"}>
        {product.inStock ? texts.inStock(product.availableQuantity) : texts.soldOut}
      </p>
      <div className="purchase">
        {product.inStock && (
          <button type="button" className="button" disabled={isBusy} onClick={() => add(product, list)}>
            {texts.addToBasket}
          </button>
        )}
        {!product.inStock && isLoggedIn && (
          <button type="button" disabled={isNotified} onClick={() => wishlist.add(product, true)}>
            {isNotified ? texts.notified : texts.notify}
          </button>
        )}
        <WishButton product={product} />
      </div>
    </>
  );
}
