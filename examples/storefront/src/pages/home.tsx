import { Link } from "react-router";
import { useQuery } from "urql";
import { graphql, TileFragment } from "../graphql";
import { Heading, Picture, ProductRow, Waiting } from "../parts";
import { useTexts } from "../texts";

const HomeQuery = graphql(
  `
    query Home {
      categories(depth: 1) { id name slug productCount image { url alt width height srcset } }
      onSale: products(sortBy: DISCOUNT, filter: { inStock: true, onSale: true }, first: 10) { nodes { ...Tile } }
    }
  `,
  [TileFragment],
);
// Separate, because it depends on the viewer, and so is not cached by the shop.
const RecommendedQuery = graphql(`query Recommended { recommendations(first: 10) { ...Tile } }`, [TileFragment]);

export function HomePage() {
  const texts = useTexts();
  const [{ data, error }, refetch] = useQuery({ query: HomeQuery });
  const [recommended] = useQuery({ query: RecommendedQuery });
  const products = recommended.data?.recommendations;
  return (
    <>
      <div className="hero">
        <div>
          <Heading description={texts.taglineMore}>{texts.tagline}</Heading>
          <p>{texts.taglineMore}</p>
          <Link to="/search?sort=NEWEST" className="button">
            {texts.goShopping}
          </Link>
        </div>
        <div className="hero-pictures" aria-hidden="true">
          {products?.slice(0, 3).map(({ id, image }) => (
            <Picture key={id} image={image && { ...image, alt: "" }} sizes="220px" />
          ))}
        </div>
      </div>
      {!data && <Waiting error={error} refetch={refetch} />}
      {data && (
        <>
          <section aria-labelledby="categories">
            <h2 id="categories">{texts.categories}</h2>
            <ul className="cards">
              {data.categories.map(({ id, name, slug, productCount, image }) => (
                <li key={id}>
                  <Link to={`/c/${slug}`}>
                    {image && <Picture image={image} sizes="(max-width: 700px) 46vw, 280px" />}
                    <strong>{name}</strong>
                    <small>{texts.products(productCount)}</small>
                  </Link>
                </li>
              ))}
            </ul>
          </section>
          <ProductRow title={texts.recommended} list="PERSONAL" products={products} />
          <ProductRow title={texts.onSale} products={data.onSale.nodes} />
        </>
      )}
    </>
  );
}
