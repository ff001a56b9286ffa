/** The pages with a list of products: of a category, of a brand, and of a search. */
import { Link, useParams, useSearchParams } from "react-router";
import { useQuery } from "urql";
import { graphql } from "../graphql";
import { Breadcrumbs, Failure, Loading, PageHeading } from "../parts";
import { ProductList } from "../product-list";
import { useTexts } from "../texts";
import { NotFoundPage } from "./not-found";

const CategoryQuery = graphql(`
  query Category($slug: String!) {
    category(slug: $slug) {
      id name slug
      ancestors { id name slug }
      children { id name slug productCount }
    }
  }
`);
const BrandQuery = graphql(`query Brand($slug: String!) { brand(slug: $slug) { id databaseId name description } }`);

export function CategoryPage() {
  const texts = useTexts();
  const { slug = "" } = useParams();
  const [{ data, error, fetching }, retry] = useQuery({ query: CategoryQuery, variables: { slug } });
  if (error) return <Failure error={error} retry={() => retry({ requestPolicy: "network-only" })} />;
  if (fetching || !data) return <Loading />;
  const { category } = data;
  if (!category) return <NotFoundPage />;
  return (
    <>
      <Breadcrumbs path={category.ancestors} />
      <PageHeading key={category.id}>{category.name}</PageHeading>
      {category.children.length > 0 && (
        <nav aria-label={texts.categories}>
          <ul className="chips">
            {category.children.map((child) => (
              <li key={child.id}>
                <Link to={`/c/${child.slug}`}>
                  {child.name} <small>{child.productCount}</small>
                </Link>
              </li>
            ))}
          </ul>
        </nav>
      )}
      <ProductList key={slug} categorySlug={slug} />
    </>
  );
}

export function BrandPage() {
  const { slug = "" } = useParams();
  const [{ data, error, fetching }, retry] = useQuery({ query: BrandQuery, variables: { slug } });
  if (error) return <Failure error={error} retry={() => retry({ requestPolicy: "network-only" })} />;
  if (fetching || !data) return <Loading />;
  const { brand } = data;
  if (!brand) return <NotFoundPage />;
  return (
    <>
      <Breadcrumbs path={[]} />
      <PageHeading key={brand.id}>{brand.name}</PageHeading>
      {brand.description && <p className="lead">{brand.description}</p>}
      <ProductList key={slug} brand={brand.databaseId} />
    </>
  );
}

export function SearchPage() {
  const texts = useTexts();
  const [parameters] = useSearchParams();
  const text = parameters.get("q") ?? "";
  return (
    <>
      <PageHeading key={text}>{text ? texts.allResults(text) : texts.menu}</PageHeading>
      <ProductList key={`products ${text}`} search={text || undefined} />
    </>
  );
}
