"""Who may do what: permissions as words, and roles as sets of them; the table is all there is to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

__all__ = ["KEY_SCOPES", "PERMISSIONS", "ROLES", "Reach", "Role"]

PERMISSIONS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "overview.read": ("see the figures of the whole chain", "查看全企业总览"),
        "report.read": ("read the morning report", "查看早报"),
        "people.read": ("see single persons", "查看单个会员"),
        "people.lookup": ("find the person of a phone number or another identifier", "按手机号等标识查找会员"),
        "people.overview": ("see the lifecycle and coverage of all people", "查看全部会员的生命周期与覆盖率"),
        "cuts.write": ("change the cut-points of lifecycle and RFM", "修改生命周期与 RFM 的分界"),
        "segments.read": ("see and count audiences", "查看和计数人群包"),
        "segments.write": ("save and put away audiences", "保存和停用人群包"),
        "segments.export": ("take the people of an audience away as a file", "导出人群包成员"),
        "campaigns.read": ("see campaigns and plans", "查看活动与计划"),
        "campaigns.export": ("take the plan of a campaign away as a file", "导出活动计划"),
        "models.read": ("see models and their cards", "查看模型"),
        "data.read": ("see which tables there are, their lineage and quality", "查看数据表、血缘与质量"),
        "data.rows": ("see rows of tables, personal columns masked", "查看数据行（个人字段已脱敏）"),
        "data.run": ("start runs and checks", "启动计算与检查"),
        "data.load": ("load files, and take what was refused in again", "导入文件，重放被拒数据"),
        "refused.read": ("see refused rows and events, values masked", "查看被拒数据和事件（值已脱敏）"),
        "person.unmask": ("see a person's personal fields, for a reason", "说明理由后查看会员的个人字段"),
        "consent.write": ("note what a person agrees to", "登记会员的授权"),
        "requests.manage": ("handle requests of persons about their data", "处理个人信息请求"),
        "consent.texts": ("set the texts that persons agree to", "维护授权文本"),
        "keys.manage": ("make and revoke API keys", "创建和吊销 API 密钥"),
        "hooks.manage": ("make, try and remove web hooks", "创建、测试和删除 Webhook"),
        "users.manage": ("add users and change what they may do", "添加用户并调整其权限"),
        "audit.read": ("read and check the audit log", "查看和校验审计日志"),
        "metrics.read": ("read the figures of the service itself for a monitor", "读取服务自身的运行指标（供监控用）"),
    }
)
"""Every permission with what it allows, in English and Chinese."""


class Reach(StrEnum):
    """How far a role sees: the whole chain, a branch of the organisation, or named stores."""

    CHAIN = "chain"
    BRANCH = "branch"
    STORES = "stores"


@dataclass(frozen=True, slots=True)
class Role:
    """One role.

    Args:
        english: What it is called in English.
        chinese: The same in Chinese.
        reach: How far it sees.
        permissions: What it may do.
    """

    english: str
    chinese: str
    reach: Reach
    permissions: frozenset[str]

    def __post_init__(self) -> None:
        unknown = self.permissions - PERMISSIONS.keys()
        if unknown:
            raise ValueError(f"no such permission: {', '.join(sorted(unknown))}")


_OF_PLACES = frozenset({"report.read", "people.read"})

ROLES: Mapping[str, Role] = MappingProxyType(
    {
        "admin": Role("admin", "管理员", Reach.CHAIN, frozenset(PERMISSIONS)),
        "analyst": Role(
            "analyst",
            "分析师",
            Reach.CHAIN,
            frozenset(
                {
                    "overview.read",
                    "report.read",
                    "people.read",
                    "people.overview",
                    "cuts.write",
                    "segments.read",
                    "segments.write",
                    "campaigns.read",
                    "models.read",
                    "data.read",
                    "data.rows",
                    "data.run",
                    "data.load",
                    "refused.read",
                }
            ),
        ),
        "marketer": Role(
            "marketer",
            "营销人员",
            Reach.CHAIN,
            frozenset(
                {
                    "overview.read",
                    "report.read",
                    "people.read",
                    "people.overview",
                    "segments.read",
                    "segments.write",
                    "segments.export",
                    "campaigns.read",
                    "campaigns.export",
                    "models.read",
                    "data.read",
                }
            ),
        ),
        "service": Role(
            "service desk",
            "客服",
            Reach.CHAIN,
            frozenset({"people.read", "people.lookup", "person.unmask", "consent.write", "requests.manage"}),
        ),
        "regional_manager": Role("regional manager", "区域经理", Reach.BRANCH, _OF_PLACES),
        "supervisor": Role("supervisor", "督导", Reach.BRANCH, _OF_PLACES),
        "store_manager": Role("store manager", "店长", Reach.STORES, _OF_PLACES),
        # A franchisee is another company: it gets the figures of its stores and no persons.
        "franchisee": Role("franchisee", "加盟商", Reach.STORES, frozenset({"report.read"})),
        "auditor": Role("auditor", "审计员", Reach.CHAIN, frozenset({"audit.read", "data.read"})),
    }
)
"""Every role by its word."""

KEY_SCOPES = frozenset(
    {
        "report.read",
        "people.read",
        "people.lookup",
        "segments.read",
        "segments.export",
        "person.unmask",
        "consent.write",
        "requests.manage",
        "metrics.read",
    }
)
"""What an API key may be given beside `collect`: what routes of the API and `/metrics` ask for."""
