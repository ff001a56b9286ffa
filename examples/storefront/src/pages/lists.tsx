/** The pages with a list of products: of a category, of a brand, and of a search. */
import { Link, useParams, useSearchParams } from "react-router";
import { graphql } from "../graphql";
import { Breadcrumbs, NotFoundPage, Heading, usePage } from "../parts";
import { ProductList } from "../product-list";
import { isSearchable, MAX_SEARCH_LENGTH } from "../search-box";
import { useTexts } from "../texts";

const CategoryQuery = graphql(`
  query Category($slug: String!) {
    category(slug: $slug) {
      id name slug seoTitle seoDescription ancestors { id name slug } children { id name slug productCount }
    }
  }
`);
const BrandQuery = graphql(`
  query Brand($slug: String!) { brand(slug: $slug) { id databaseId name description seoTitle seoDescription } }
`);

export function CategoryPage() {
  const texts = useTexts();
  const { slug = "" } = useParams();
  const { data, waiting } = usePage({ query: CategoryQuery, variables: { slug } });
  if (!data) return waiting;
  const { category } = data;
  if (!category) return <NotFoundPage />;
  return (
    <>
      <Breadcrumbs path={category.ancestors} />
      <Heading key={category.id} title={category.seoTitle} description={category.seoDescription}>
        {category.name}
      </Heading>
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
  const { data, waiting } = usePage({ query: BrandQuery, variables: { slug } });
  if (!data) return waiting;
  const { brand } = data;
  if (!brand) return <NotFoundPage />;
  return (
    <>
      <Breadcrumbs path={[]} />
      <Heading key={brand.id} title={brand.seoTitle} description={brand.seoDescription || brand.description}>
        {brand.name}
      </Heading>
      {brand.description && <p className="prose">{brand.description}</p>}
      <ProductList key={slug} brand={brand.databaseId} />
    </>
  );
}

export function SearchPage() {
  const texts = useTexts();
  const [parameters] = useSearchParams();
  // Not in the middle of a character of two code units.
  const text = [...(parameters.get("q") ?? "")].slice(0, MAX_SEARCH_LENGTH).join("").trim();
  return (
    <>
      <Heading key={text}>{text ? texts.allResults(text) : texts.menu}</Heading>
      {text && !isSearchable(text) ? (
        <p className="empty">{texts.nothingFound}</p>
      ) : (
        <ProductList key={`products ${text}`} search={text || undefined} />
      )}
    </>
  );
}
