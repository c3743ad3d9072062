"""The stream of who entered and left a segment, for programs that read it at their own pace."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from shopkeeper.app.live_segments import changes_after
from shopkeeper.web.permit import may
from shopkeeper.web.problem import PROBLEMS
from shopkeeper.web.signed_in import SignedIn

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", responses=PROBLEMS)


class SegmentChange(BaseModel):
    """One person who entered or left a segment."""

    seq: int
    segment: str
    version: int
    person_id: str
    kind: Literal["entered", "left"]
    occurred_at: datetime
    cause: str


class SegmentChanges(BaseModel):
    """Changes in their order, and the cursor to ask with next; it stays as it was when there is nothing new."""

    changes: list[SegmentChange]
    cursor: int


@router.get("/segments/{name}/changes", dependencies=[may("segments.export")])
def list_segment_changes(
    request: Request,
    _visitor: SignedIn,
    name: str,
    after: Annotated[int, Query(ge=0, le=2**62)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> SegmentChanges:
    """Who entered and left a segment that runs live, behind a cursor."""
    found = changes_after(request.app.state.shop.state, name, after, limit)
    changes = [
        SegmentChange(
            seq=each.seq,
            segment=each.segment,
            version=each.version,
            person_id=each.person_id,
            kind="entered" if each.kind == "entered" else "left",
            occurred_at=each.occurred_at,
            cause=each.cause,
        )
        for each in found
    ]
    return SegmentChanges(changes=changes, cursor=changes[-1].seq if changes else after)
