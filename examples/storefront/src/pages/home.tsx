import { Link } from "react-router";
import { useQuery } from "urql";
import { graphql, TileFragment } from "../graphql";
import { Failure, Loading, PageHeading, Picture, ProductRow } from "../parts";
import { useTexts } from "../texts";

const HomeQuery = graphql(
  `
    query Home {
      categories(depth: 1) { id name slug productCount image { url alt width height srcset } }
      onSale: products(sortBy: DISCOUNT, filter: { inStock: true, onSale: true }, first: 8) { nodes { ...Tile } }
    }
  `,
  [TileFragment],
);
// Separate, because it depends on the viewer, and so is not cached by the shop.
const RecommendedQuery = graphql(`query Recommended { recommendations(first: 8) { ...Tile } }`, [TileFragment]);

export function HomePage() {
  const texts = useTexts();
  const [{ data, error, fetching }, retry] = useQuery({ query: HomeQuery });
  const [recommended] = useQuery({ query: RecommendedQuery });
  return (
    <>
      <div className="hero">
        <PageHeading>{texts.tagline}</PageHeading>
        <p>{texts.taglineMore}</p>
        <Link to="/search?sort=NEWEST" className="button">
          {texts.toCatalogue}
        </Link>
      </div>
      {error && <Failure error={error} retry={() => retry({ requestPolicy: "network-only" })} />}
      {fetching && <Loading />}
      {data && (
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
      )}
      <ProductRow title={texts.recommended} list="PERSONAL" products={recommended.data?.recommendations} />
      <ProductRow title={texts.onSale} products={data?.onSale.nodes} />
    </>
  );
}
