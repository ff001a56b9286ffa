import { useState } from "react";
import { Link, useLocation, useParams } from "react-router";
import { graphql, type List, type ResultOf, TileFragment } from "../graphql";
import { Badges, Breadcrumbs, BuyButton, NotFoundPage, Heading, Picture, Price, ProductRow, usePage } from "../parts";
import { useTexts } from "../texts";
import { WishButton } from "../wishlist";

const ProductQuery = graphql(
  `
    query Product($slug: String!) {
      product(slug: $slug) {
        ...Tile sku description availableQuantity seoTitle seoDescription brand { id name slug }
        category { id name slug ancestors { id name slug } } images { url alt width height srcset }
        characteristics { name value unit } similar(first: 10) { ...Tile } boughtTogether(first: 10) { ...Tile }
      }
    }
  `,
  [TileFragment],
);
type Product = NonNullable<ResultOf<typeof ProductQuery>["product"]>;

export function ProductPage() {
  const texts = useTexts();
  const { slug = "" } = useParams();
  const { state } = useLocation();
  const { data, waiting } = usePage({ query: ProductQuery, variables: { slug } });
  if (!data) return waiting;
  const { product } = data;
  if (!product) return <NotFoundPage />;
  const { category, brand, availableQuantity, description, seoDescription } = product;
  // The shop does not tell larger numbers.
  const stock = availableQuantity < 50 ? `${texts.inStock}: ${availableQuantity}` : texts.inStock;
  return (
    <>
      <Breadcrumbs path={category ? [...category.ancestors, category] : []} />
      <article className="product">
        <Gallery key={`pictures ${product.id}`} product={product} />
        <div className="product-main">
          <Badges product={product} />
          <Heading key={product.id} title={product.seoTitle} description={seoDescription || description}>
            {product.name}
          </Heading>
          {brand && <Link to={`/b/${brand.slug}`}>{brand.name}</Link>}
          <Price product={product} />
          <p className={product.inStock ? "stock" : "stock stock-out"}>{product.inStock ? stock : texts.soldOut}</p>
          <div className="purchase">
            <BuyButton product={product} list={(state as { list?: List } | null)?.list} className="button" />
            <WishButton product={product} />
          </div>
          {description && (
            <section aria-labelledby="description">
              <h2 id="description">{texts.description}</h2>
              <p className="prose">{description}</p>
            </section>
          )}
          <section aria-labelledby="characteristics">
            <h2 id="characteristics">{texts.characteristics}</h2>
            <dl className="characteristics">
              {[...product.characteristics, { name: texts.sku, value: product.sku, unit: "" }].map(
                ({ name, value, unit }) => (
                  <div key={`${name} ${unit}`}>
                    <dt>{name}</dt>
                    <dd>
                      {value} {unit}
                    </dd>
                  </div>
                ),
              )}
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
