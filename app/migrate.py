"""Makes collections and indexes: `python -m app.migrate`, a job that runs before the replicas start."""

import asyncio
import sys

from pydantic import ValidationError
from pymongo.errors import PyMongoError

from app.database import Database, create_collections_and_indexes
from app.models import DOCUMENTS
from app.settings import Settings, wrong_setting


async def migrate(settings: Settings) -> None:
    """Bring the database named in the settings to what the models say; running it again changes nothing."""
    async with Database(settings, url=settings.mongo_migrate_url.get_secret_value()) as database:
        await create_collections_and_indexes(database.database, DOCUMENTS)


def main() -> int:
    """Run the job; 0 when everything is there, 1 with a sentence when it can't be made."""
    try:
        asyncio.run(migrate(Settings()))
    except ValidationError as error:
        print(wrong_setting(error), file=sys.stderr)  # noqa: T201  # as below
        return 1
    except PyMongoError as error:
        print(f"Can't make collections and indexes: {error}", file=sys.stderr)  # noqa: T201  # a job speaks to a person
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
