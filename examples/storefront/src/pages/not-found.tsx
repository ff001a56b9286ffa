import { Link } from "react-router";
import { PageHeading } from "../parts";
import { useTexts } from "../texts";

export function NotFoundPage() {
  const texts = useTexts();
  return (
    <div className="narrow">
      <PageHeading>{texts.notFound}</PageHeading>
      <p>{texts.notFoundMore}</p>
      <p>
        <Link to="/">{texts.goShopping}</Link>
      </p>
    </div>
  );
}
