// The part of ECharts that the console draws with; scripts/vendor_assets.py bundles it.
import { getInstanceByDom, init, use } from "echarts/core";
import { BarChart, CustomChart, HeatmapChart, LineChart, PieChart, SankeyChart, ScatterChart } from "echarts/charts";
import { AriaComponent, GridComponent, LegendComponent, MarkLineComponent, TooltipComponent, VisualMapComponent } from "echarts/components";
import { CanvasRenderer } from "echarts/renderers";

use([
  AriaComponent, BarChart, CanvasRenderer, CustomChart, GridComponent, HeatmapChart, LegendComponent, LineChart,
  MarkLineComponent, PieChart, SankeyChart, ScatterChart, TooltipComponent, VisualMapComponent,
]);

export { getInstanceByDom, init };
