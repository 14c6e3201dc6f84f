import { Empty } from "../components/feedback";
import { Page } from "../components/page";
import { to } from "../router";

export function NotFound() {
  return (
    <Page title="No such page">
      <Empty title="There is nothing at this address">
        <a href={to.overview()}>Go to the overview</a>
      </Empty>
    </Page>
  );
}
