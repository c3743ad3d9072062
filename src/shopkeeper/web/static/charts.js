// Draws every chart of a page from the JSON beside it, in the colours of the token sheet.
"use strict";

(() => {
  const drawn = new Map();

  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const palette = () => ({
    ink: token("--ink"),
    soft: token("--ink-soft"),
    faint: token("--ink-faint"),
    line: token("--line"),
    surface: token("--surface"),
    colours: [1, 2, 3, 4, 5, 6].map((place) => token(`--chart-${place}`)),
    low: token("--chart-low"),
    high: token("--chart-high"),
    font: getComputedStyle(document.body).fontFamily,
  });

  const axisNumber = (spec) => {
    const language = document.documentElement.lang;
    const options = { notation: "compact", maximumFractionDigits: 1 };
    if (spec.unit === "share") return (value) => new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 1 }).format(value);
    if (spec.unit === "currency") Object.assign(options, { style: "currency", currency: spec.currency, currencyDisplay: "narrowSymbol", minimumFractionDigits: 0 });
    const format = new Intl.NumberFormat(language, options);
    return (value) => format.format(value);
  };

  const common = (spec, look) => ({
    animation: false,
    aria: { enabled: true, label: { description: spec.title } },
    textStyle: { fontFamily: look.font, color: look.soft, fontSize: 12 },
    tooltip: {
      // Drawn on the canvas: an HTML tooltip would need inline styles, which the content security policy forbids.
      renderMode: "richText",
      backgroundColor: look.surface,
      borderColor: look.line,
      textStyle: { color: look.ink, fontSize: 12, fontFamily: look.font },
      padding: [8, 12],
    },
  });

  // How many lines a legend wraps into, so that the plot begins below them.
  const legendLines = (names, look, width) => {
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = `12px ${look.font}`;
    let [lines, end] = [1, 0];
    for (const name of names) {
      const wide = 10 + 5 + pen.measureText(name).width;
      if (end && end + wide > width - 12) [lines, end] = [lines + 1, 0];
      end += wide + 16;
    }
    return lines;
  };

  const below = (names, look, width) => 12 + 24 * legendLines(names, look, width);

  const legend = (names, look) => ({
    show: names.length > 1,
    data: names,
    left: 0,
    top: 0,
    icon: "roundRect",
    itemWidth: 10,
    itemHeight: 10,
    itemGap: 16,
    textStyle: { color: look.soft, fontSize: 12 },
  });

  const labelled = (spec, look, width) => {
    const names = spec.series.map((each) => each.name);
    return {
      ...common(spec, look),
      legend: legend(names, look),
      grid: { left: 4, right: 8, top: names.length > 1 ? below(names, look, width) : 12, bottom: 4, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
      tooltip: {
        ...common(spec, look).tooltip,
        trigger: "axis",
        axisPointer: { type: spec.series.some((each) => each.kind === "bar") ? "shadow" : "line" },
        formatter: (points) => {
          const place = points[0].dataIndex;
          return [spec.labels[place], ...spec.series.map((each) => `${each.name}  ${each.texts[place]}`)].join("\n");
        },
      },
      xAxis: {
        type: "category",
        data: spec.labels,
        axisTick: { show: false },
        axisLine: { lineStyle: { color: look.line } },
        axisLabel: { color: look.faint, hideOverlap: true, interval: spec.labels.length <= 12 ? 0 : "auto" },
      },
      yAxis: {
        type: "value",
        splitNumber: 4,
        axisLabel: { color: look.faint, formatter: axisNumber(spec) },
        splitLine: { lineStyle: { color: look.line } },
      },
      series: spec.series.map((each) => {
        const colour = look.colours[each.colour - 1];
        const bar = each.kind === "bar";
        return {
          name: each.name,
          type: bar ? "bar" : "line",
          stack: spec.stacked && bar ? "all" : undefined,
          barMaxWidth: 34,
          barCategoryGap: "28%",
          symbol: spec.labels.length > 24 ? "none" : "circle",
          symbolSize: 5,
          smooth: false,
          lineStyle: { width: 2.2, color: colour },
          itemStyle: { color: colour, borderRadius: bar && !spec.stacked ? [3, 3, 0, 0] : 0 },
          data: each.values.map((value, place) => (
            spec.whole.length && !spec.whole[place] ? { value, itemStyle: { opacity: 0.4 } } : value
          )),
        };
      }),
    };
  };

  const band = (curve, look) => {
    if (!curve.low.length) return [];
    const colour = look.colours[curve.colour - 1];
    const base = { type: "line", stack: `band ${curve.name}`, symbol: "none", silent: true, tooltip: { show: false }, lineStyle: { opacity: 0 } };
    return [
      { ...base, name: `${curve.name} low`, data: curve.points.map(([x], place) => [x, curve.low[place]]) },
      {
        ...base,
        name: `${curve.name} high`,
        areaStyle: { color: colour, opacity: 0.16 },
        data: curve.points.map(([x], place) => [x, curve.high[place] - curve.low[place]]),
      },
    ];
  };

  const curves = (spec, look, width) => {
    const names = spec.curves.map((each) => each.name);
    const percent = axisNumber({ unit: "share" });
    // Lines without dots have nothing to point at: they are read together along the axis.
    const dotted = spec.curves.some((each) => each.dots);
    const axis = (name, most, where) => ({
      type: "value",
      min: 0,
      max: most,
      name,
      nameLocation: "middle",
      nameGap: where === "x" ? 26 : 42,
      nameTextStyle: { color: look.faint },
      splitNumber: 5,
      axisLabel: { color: look.faint, formatter: percent },
      axisLine: { lineStyle: { color: look.line } },
      splitLine: { lineStyle: { color: look.line } },
    });
    return {
      ...common(spec, look),
      legend: legend(names, look),
      grid: { left: 58, right: 16, top: below(names, look, width), bottom: 46 },
      tooltip: {
        ...common(spec, look).tooltip,
        trigger: dotted ? "item" : "axis",
        axisPointer: { type: "line", lineStyle: { color: look.line } },
        // Together they would cover what they tell of: the corner below the straight line is free.
        position: dotted ? undefined : (_point, _params, _box, _shape, { contentSize, viewSize }) => [
          viewSize[0] - contentSize[0] - 24,
          viewSize[1] - contentSize[1] - 54,
        ],
        formatter: dotted
          ? (point) => `${point.seriesName}\n${spec.x}  ${percent(point.value[0])}\n${spec.y}  ${percent(point.value[1])}`
          : (points) => [`${spec.x}  ${percent(points[0].value[0])}`, ...points.map((point) => `${point.seriesName}  ${percent(point.value[1])}`)].join("\n"),
      },
      xAxis: axis(spec.x, spec.xMost, "x"),
      yAxis: axis(spec.y, spec.yMost, "y"),
      series: spec.curves.flatMap((each) => [
        ...band(each, look),
        {
          name: each.name,
          type: "line",
          data: each.points,
          symbol: each.dots ? "circle" : "none",
          symbolSize: 7,
          lineStyle: { width: each.dashed ? 1.4 : 2.4, type: each.dashed ? "dashed" : "solid", color: look.colours[each.colour - 1] },
          itemStyle: { color: look.colours[each.colour - 1] },
        },
      ]),
    };
  };

  const flow = (spec, look) => ({
    ...common(spec, look),
    tooltip: { ...common(spec, look).tooltip, trigger: "item", formatter: (point) => (point.dataType === "edge" ? `${point.data.source} → ${point.data.target}` : point.name) },
    series: [{
      type: "sankey",
      left: 4,
      right: 120,
      top: 8,
      bottom: 8,
      nodeWidth: 10,
      nodeGap: 12,
      draggable: false,
      emphasis: { focus: "adjacency" },
      data: spec.nodes.map((node) => ({ name: node.name, itemStyle: { color: look.colours[node.colour - 1] } })),
      links: spec.links,
      label: { color: look.ink, fontSize: 12, fontFamily: look.font },
      lineStyle: { color: "source", opacity: 0.22 },
    }],
  });

  const percent = (value) => new Intl.NumberFormat(document.documentElement.lang, { style: "percent" }).format(value);

  const matrix = (spec, look) => ({
    ...common(spec, look),
    grid: { left: 4, right: 8, top: 8, bottom: 8, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
    tooltip: { ...common(spec, look).tooltip, formatter: (point) => spec.texts[point.value[1]][point.value[0]] },
    xAxis: { type: "category", data: spec.labels, position: "top", axisTick: { show: false }, axisLine: { show: false }, axisLabel: { color: look.soft, interval: 0, rotate: spec.labels.length > 4 ? -32 : 0 } },
    yAxis: { type: "category", data: spec.labels, inverse: true, axisTick: { show: false }, axisLine: { show: false }, axisLabel: { color: look.soft, interval: 0 } },
    visualMap: { show: false, min: 0, max: 1, inRange: { color: [look.low, look.high] } },
    series: [{
      type: "heatmap",
      // Dark on pale, pale on dark: halfway both are hard to read, so the text changes sides there.
      data: spec.values.flatMap((row, y) => row.map((value, x) => ({ value: [x, y, value], label: { color: value > 0.55 ? look.surface : look.ink } }))),
      itemStyle: { borderColor: look.surface, borderWidth: 2 },
      label: {
        show: true,
        fontSize: 11,
        // No number on the diagonal, nor where nobody is shared.
        formatter: (point) => (point.value[0] === point.value[1] || point.value[2] < 0.005 ? "" : percent(point.value[2])),
      },
    }],
  });

  const kinds = { labelled, curves, flow, matrix };

  const draw = (box) => {
    const spec = JSON.parse(box.closest("figure").querySelector("script[type='application/json']").textContent);
    const chart = echarts.getInstanceByDom(box) || echarts.init(box, null, { renderer: "canvas" });
    const width = box.clientWidth;
    chart.setOption(kinds[spec.kind](spec, palette(), width), true);
    if (!drawn.has(box)) {
      let before = width;
      const watch = new ResizeObserver(() => {
        chart.resize();
        if (box.clientWidth !== before) draw(box);
        before = box.clientWidth;
      });
      watch.observe(box);
      drawn.set(box, watch);
    }
  };

  const drawAll = () => {
    for (const [box, watch] of drawn) {
      if (box.isConnected) continue;
      watch.disconnect();
      echarts.getInstanceByDom(box)?.dispose();
      drawn.delete(box);
    }
    document.querySelectorAll("[data-chart]").forEach((box) => { if (!drawn.has(box)) draw(box); });
  };

  const drawAgain = () => { drawn.forEach((_watch, box) => draw(box)); };

  drawAll();
  document.addEventListener("htmx:after:settle", drawAll);
  document.addEventListener("htmx:after:swap", drawAll);
  for (const looks of ["(prefers-color-scheme: dark)", "print"]) window.matchMedia(looks).addEventListener("change", drawAgain);
})();
